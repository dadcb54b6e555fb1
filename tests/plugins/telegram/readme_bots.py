"""The bots of the kit's README, told apart from what runs them: their libraries take seconds to import."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[3] / "plugins" / "telegram" / "kit" / "README.md"


@dataclass(frozen=True, slots=True)
class Job:
    """One life of a bot: which one, where everything is, and the point to die at."""

    library: str
    folder: str
    bot_api: str
    bot_token: str
    hub: str
    key: str
    secret: str
    kill_at: int | None = None


def example(library: str) -> str:
    """Read a bot's code out of the README."""
    found = re.search(rf"<!-- bot: {library} -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]

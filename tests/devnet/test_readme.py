"""The room's README names every call there is."""

from __future__ import annotations

from pathlib import Path

from core import devnet
from core.devnet.control import Control
from core.devnet.faults import KINDS
from core.devnet.ledger import Chain
from core.devnet.node_api import ROOTS
from core.devnet.stage import Stage

README = (Path(devnet.__file__).parent / "README.md").read_text()


def test_readme_names_every_node_call() -> None:
    missing = [name for calls in ROOTS.values() for name in calls if f"`{name}`" not in README]

    assert missing == []


def test_readme_names_every_control_call(chain: Chain) -> None:
    control = Control(chain)
    names = [*control._reads, *control._acts, *Stage(chain, {}).calls]
    missing = [name for name in names if f" /devnet/{name}`" not in README]

    assert missing == []


def test_readme_names_every_kind_of_fault() -> None:
    missing = [kind for kind in KINDS if f"`{kind}`" not in README]

    assert missing == []

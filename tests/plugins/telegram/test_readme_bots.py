"""The README's bots as they are told; `tests/journey/test_readme_bots.py` runs them."""

from __future__ import annotations

import pytest

from tests.plugins.telegram.readme_bots import LIBRARIES, README, ROOT, example


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_bots_have_ten_lines_and_are_told_in_the_main_readme(library: str):
    code = example(library)
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import ", "from "))]

    assert len(lines) <= 11
    assert library != "aiogram" or f"```python\n{code}```" in (ROOT / "README.md").read_text()
    assert README.read_text().count("on_paid(paid: Paid)") == 2

"""Every numbered case of hostile input, RQ's traps, jobs and databases is shown by a test that says its number.

Counted are numbers in the names, docstrings and comments of tests and in the ids of their cases (`S16 zone`,
`test_s46_…`, `r12_to_r15`), not those in a file's own docstring, which promises more easily than it shows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NUMBER = re.compile(r"(?<![A-Za-z0-9])([A-Z]{1,2})([0-9]{1,2})(?![0-9A-Za-z])(?:(?:-| to )\1([0-9]{1,2}))?")
IN_NAME = re.compile(r"(?<=_)([a-z]{1,2})([0-9]{1,2})(?=_|$)(?:_to_\1([0-9]{1,2}))?")
EVERYWHERE = ("api", "core", "faults", "journey", "migrations", "outbox", "watcher", "workers", "test_counts.py")
# What the hub withstands: where requests may lead (S), what is read (P), return addresses (U), RQ's traps (R),
# jobs that are lost, late or done twice (J), databases in trouble (DB).
CASES = {"S": (54, ("core", "test_house_rules.py")), "P": (60, ("api", "core", "workers")), "U": (25, ("projects",)),
         "R": (16, ("workers",)), "J": (16, EVERYWHERE), "DB": (10, EVERYWHERE)}


def words(tree: ast.Module, text: str) -> Iterator[str]:
    """Give what a file's tests say of themselves: texts, names written as texts, and comments."""
    own = ast.get_docstring(tree, clean=False)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != own:
            yield node.value
        elif isinstance(node, ast.FunctionDef):
            yield IN_NAME.sub(lambda found: " " + named(found) + " ", node.name)
    yield from (line.partition("  # ")[2] for line in text.splitlines())


def named(found: re.Match[str]) -> str:
    last = f" to {found[1].upper()}{found[3]}" if found[3] else ""
    return f"{found[1].upper()}{found[2]}{last}"


def shown(series: str, places: tuple[str, ...]) -> set[int]:
    """Find a series' numbers in the tests of some folders."""
    numbers: set[int] = set()
    files = [path for place in places for path in ([TESTS / place] if place.endswith(".py") else
                                                   sorted((TESTS / place).rglob("test_*.py")))]
    for path in files:
        text = path.read_text(encoding="utf-8")
        for word in words(ast.parse(text), text):
            for found in NUMBER.finditer(word):
                if found[1] == series:
                    numbers.update(range(int(found[2]), int(found[3] or found[2]) + 1))
    return numbers


@pytest.mark.parametrize("series", CASES)
def test_every_case_of_the_plan_is_shown_by_number(series: str) -> None:
    last, places = CASES[series]

    assert set(range(1, last + 1)) - shown(series, places) == set()

"""Types are strict and lines are clean: the same checks as `make types` and `make lint`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("tool", [["mypy"], ["flake8"]], ids=["mypy", "flake8"])
def test_the_tree_is_clean(tool: list[str]):
    run = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True)

    assert (run.returncode, run.stdout.splitlines()[-20:] if run.returncode else []) == (0, [])

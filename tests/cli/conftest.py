"""A command line over a test hub: real commands, a real database of each kind, no process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.cli import main
from core.cli.roof import Roof
from core.hub import Hub

Run = Callable[..., Result]
Ask = Callable[..., Any]


@pytest.fixture
def roof(hub: Hub) -> Roof:
    """A roof over the test hub."""
    built = Roof()
    built.__dict__.update(settings=hub.settings, bare_hub=hub)
    return built


@pytest.fixture
def run(roof: Roof) -> Run:
    """Run a command and give its result."""

    def run_command(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), obj=roof)

    return run_command


@pytest.fixture
def ask(run: Run) -> Ask:
    """Run a command with --json and give the document it answers with."""

    def ask_command(*arguments: str) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return ask_command

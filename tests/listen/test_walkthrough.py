"""The walk-through in the README is what the commands really say."""

from __future__ import annotations

import pytest

from core.clock import SystemClock
from core.db import Database
from core.testing.hubs import make_hub
from tests.walkthrough import record, written


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_recorded_walk_through_is_what_the_commands_say_today(database: Database) -> None:
    """Written anew by `python -m tests.walkthrough`."""
    assert record(make_hub(database, clock=SystemClock())) == written()

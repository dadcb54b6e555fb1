"""What a command stands under: settings and hub, built at first use and not before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.hub import Hub
    from core.settings import Settings


class Roof:
    """The settings of this process and the hub they describe."""

    @cached_property
    def settings(self) -> Settings:
        """Read the settings; raises MisconfiguredHub. Makes the data folder, where the database usually lies."""
        from core.config import load_settings

        settings = load_settings()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return settings

    @property
    def absent_key_file(self) -> Path | None:
        """Tell where the settings, not read yet, would make a new master key; None where they make none."""
        from core.config import absent_key_file

        return None if "settings" in self.__dict__ else absent_key_file()

    @cached_property
    def hub(self) -> Hub:
        """Build the hub on a database of this version's schema; raises SchemaMismatch."""
        from core.migrations import check_schema

        check_schema(self.bare_hub.database)
        return self.bare_hub

    @cached_property
    def bare_hub(self) -> Hub:
        """Build the hub whatever schema its database has: for the commands that look at or mend it."""
        from core.app import create_app
        from core.web import the_hub

        with create_app(self.settings, check=False).app_context():
            return the_hub()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a write transaction: a command is an edge."""
        with self.hub.database.transaction() as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a read-only view."""
        with self.hub.database.snapshot() as session:
            yield session

    def close(self) -> None:
        """Close the database, if it was ever opened."""
        if "bare_hub" in self.__dict__:
            self.bare_hub.database.dispose()

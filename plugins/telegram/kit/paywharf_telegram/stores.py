"""Where a bot remembers what must outlive it: its place in the stream of events, and which message shows which order.

A file, an SQLite database, or two callbacks of your own. A value is written whole or not at all.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """A small memory of texts by key. `put` returns only when the value would outlive the process."""

    def get(self, key: str) -> str | None:
        """Read a value."""

    def put(self, key: str, value: str) -> None:
        """Write a value."""


class FileStore:
    """Everything in one JSON file, replaced at each change: for bots with hundreds of orders."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._values: dict[str, str] = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}

    def get(self, key: str) -> str | None:
        """Read a value."""
        return self._values.get(key)

    def put(self, key: str, value: str) -> None:
        """Write a value; a crash leaves the old file or the new one."""
        self._values[key] = value
        fresh = self._path.with_name(f".{self._path.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(self._values, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


class SqliteStore:
    """A table in an SQLite file, which may hold tables of your own too; one process at a time."""

    def __init__(self, path: str | Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("CREATE TABLE IF NOT EXISTS paywharf (key TEXT PRIMARY KEY, value TEXT NOT NULL)")

    def get(self, key: str) -> str | None:
        """Read a value."""
        row = self.connection.execute("SELECT value FROM paywharf WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, value: str) -> None:
        """Write a value."""
        self.connection.execute(
            "INSERT INTO paywharf VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )

    @contextmanager
    def once(self, key: str) -> Iterator[sqlite3.Connection | None]:
        """Open a transaction that notes `key`: what is written in it is written once, whatever happens in between.

        Gives the connection; None where `key` was noted before. Do not await inside.
        """
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            inserted = self.connection.execute("INSERT OR IGNORE INTO paywharf VALUES (?, '')", (f"once:{key}",))
            yield self.connection if inserted.rowcount else None
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


class CallbackStore:
    """A memory of your own. load(key) gives a text or None; save(key, value) must not return before it is safe."""

    def __init__(self, load: Callable[[str], str | None], save: Callable[[str, str], None]) -> None:
        self._load, self._save = load, save

    def get(self, key: str) -> str | None:
        """Read a value."""
        return self._load(key)

    def put(self, key: str, value: str) -> None:
        """Write a value."""
        self._save(key, value)

"""The persisted chain: one SQLite file, one commit per block, so that a kill leaves a whole number of blocks.

Every block also writes what its state changes replaced (`undo`): that gives the state as of any recent height, which
is what `/walletsolidity` shows. Undo rows older than UNDO_BLOCKS are dropped; nothing of the chain is kept in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.devnet.blocks import Header

UNDO_BLOCKS = 2000  # far beyond any solid lag in use
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    height INTEGER PRIMARY KEY, block_id BLOB NOT NULL UNIQUE, parent_id BLOB NOT NULL,
    timestamp_ms INTEGER NOT NULL, trie_root BLOB NOT NULL, witness INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS transactions (
    txid BLOB PRIMARY KEY, height INTEGER NOT NULL, position INTEGER NOT NULL,
    signed BLOB NOT NULL, contract_ret TEXT NOT NULL, info TEXT NOT NULL,
    UNIQUE (height, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undo (
    key TEXT NOT NULL, height INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key, height)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS undo_height ON undo (height);
"""
HEADER_COLUMNS = "height, block_id, parent_id, timestamp_ms, trie_root, witness"
RECORD_COLUMNS = "txid, height, position, signed, contract_ret, info"


class ChainInUse(RuntimeError):
    """Another process has this chain file open."""


@dataclass(frozen=True, slots=True)
class Record:
    """One transaction in a block; `info` is its TransactionInfo in the node's JSON, addresses in hex."""

    txid: bytes
    height: int
    position: int
    signed: bytes
    contract_ret: str
    info: dict[str, Any]


class Store:
    """The chain file. Not locked by itself: the Chain that owns it lets one thread in at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path | None) -> Store:
        """Open or create a chain file, or one in memory; raises ChainInUse."""
        db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=1)
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second devnet on one chain would fork it
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # survives kill -9; a power cut may cost the last blocks
            db.executescript(SCHEMA)
        except sqlite3.OperationalError as err:
            db.close()
            raise ChainInUse(f"{path} is used by another process") from err
        return cls(db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def meta(self, key: str) -> bytes | None:
        """Return a setting of the chain."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def create(self, *, meta: dict[str, bytes], genesis: Header, state: dict[str, int]) -> None:
        """Write block 0, its settings and its state, all at once."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self._insert_header(genesis)
        self._write_state(state)
        self._db.execute("COMMIT")

    def append(self, *, header: Header, records: Iterable[Record], changes: dict[str, int]) -> None:
        """Write one block, its transactions and its state changes in one commit."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._insert_header(header)
            self._insert_records(records)
            self._write_undo(header.height, changes)
            self._write_state(changes)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def cut(self, height: int) -> None:
        """Undo every block above a height in one commit; raises ValueError where the undo does not reach so far."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            rows = self._db.execute(
                "SELECT key, value FROM undo AS u WHERE height = "
                "(SELECT min(height) FROM undo WHERE key = u.key AND height > ?)", (height,)
            ).fetchall()
            self._write_state({key: int(value) for key, value in rows})
            for table in ("undo", "transactions", "blocks"):
                self._db.execute(f"DELETE FROM {table} WHERE height > ?", (height,))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def head(self) -> Header | None:
        """Return the newest header, None before creation."""
        return self._header("ORDER BY height DESC LIMIT 1", ())

    def header(self, height: int) -> Header | None:
        """Return the header at a height."""
        return self._header("WHERE height = ?", (height,))

    def header_by_id(self, block_id: bytes) -> Header | None:
        """Return the header of this id."""
        return self._header("WHERE block_id = ?", (block_id,))

    def latest_by_witness(self) -> dict[int, int]:
        """Return the height each witness made last."""
        return dict(self._db.execute("SELECT witness, max(height) FROM blocks GROUP BY witness").fetchall())

    def transaction(self, txid: bytes) -> Record | None:
        """Return a transaction of the chain."""
        rows = self._records("WHERE txid = ?", (txid,))
        return rows[0] if rows else None

    def transactions(self, height: int) -> list[Record]:
        """Return a block's transactions in order."""
        return self._records("WHERE height = ? ORDER BY position", (height,))

    def records_naming(self, text: str, *, up_to: int) -> list[Record]:
        """Return the transactions whose info contains a text, oldest first; it looks through all of them."""
        return self._records("WHERE height <= ? AND instr(info, ?) ORDER BY height, position", (up_to, text))

    def count(self, height: int) -> int:
        """Return how many transactions a block has; 0 for an unknown one."""
        row = self._db.execute("SELECT count(*) FROM transactions WHERE height = ?", (height,)).fetchone()
        return int(row[0])

    def get(self, key: str) -> int:
        """Return a state value at head; 0 if absent."""
        row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return 0 if row is None else int(row[0])

    def get_at(self, key: str, height: int) -> int:
        """Return a state value as it was after the block at `height`."""
        row = self._db.execute(
            "SELECT value FROM undo WHERE key = ? AND height > ? ORDER BY height LIMIT 1", (key, height)
        ).fetchone()
        return self.get(key) if row is None else int(row[0])

    def _header(self, where: str, values: tuple[Any, ...]) -> Header | None:
        row = self._db.execute(f"SELECT {HEADER_COLUMNS} FROM blocks {where}", values).fetchone()
        return None if row is None else Header(*row)

    def _records(self, where: str, values: tuple[Any, ...]) -> list[Record]:
        rows = self._db.execute(f"SELECT {RECORD_COLUMNS} FROM transactions {where}", values)
        return [
            Record(txid, height, position, signed, contract_ret, json.loads(info))
            for txid, height, position, signed, contract_ret, info in rows
        ]

    def _insert_header(self, header: Header) -> None:
        self._db.execute(
            f"INSERT INTO blocks ({HEADER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
            (header.height, header.block_id, header.parent_id, header.timestamp_ms, header.trie_root, header.witness),
        )

    def _insert_records(self, records: Iterable[Record]) -> None:
        self._db.executemany(
            f"INSERT INTO transactions ({RECORD_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
            [(r.txid, r.height, r.position, r.signed, r.contract_ret, json.dumps(r.info)) for r in records],
        )

    def _write_undo(self, height: int, changes: dict[str, int]) -> None:
        old = [(key, height, str(self.get(key))) for key in changes]
        self._db.executemany("INSERT INTO undo VALUES (?, ?, ?)", old)
        self._db.execute("DELETE FROM undo WHERE height < ?", (height - UNDO_BLOCKS,))

    def _write_state(self, changes: dict[str, int]) -> None:
        # values are text: a token amount may need 256 bits, SQLite's integers have 64
        self._db.executemany(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [(key, str(value)) for key, value in changes.items()],
        )


class StateAt:
    """The state as of an older block."""

    def __init__(self, store: Store, height: int) -> None:
        self._store = store
        self._height = height

    def get(self, key: str) -> int:
        """Return the value the key had then."""
        return self._store.get_at(key, self._height)

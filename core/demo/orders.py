"""The shop's own records: orders, and which webhooks it has already taken; one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, amount TEXT NOT NULL, is_test INTEGER NOT NULL, payment_url TEXT NOT NULL DEFAULT '',
    txid TEXT NOT NULL DEFAULT '', paid_at TEXT NOT NULL DEFAULT '', ordered_at TEXT NOT NULL,
    currency TEXT NOT NULL DEFAULT 'USDT');
CREATE TABLE IF NOT EXISTS webhooks (webhook_id TEXT PRIMARY KEY);
"""
HAS_CURRENCY = "SELECT 1 FROM pragma_table_info('orders') WHERE name = 'currency'"
ADD_CURRENCY = "ALTER TABLE orders ADD COLUMN currency TEXT NOT NULL DEFAULT 'USDT'"  # to a book of earlier days


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the shop knows it; it is paid once the signed webhook has said so.

    amount: the total in `currency`, USDT or what the shop priced it in.
    """

    order_id: str
    amount: str
    is_test: bool
    payment_url: str
    txid: str
    paid_at: str
    ordered_at: str
    currency: str

    @property
    def is_paid(self) -> bool:
        """Tell whether the goods may go out."""
        return bool(self.paid_at)


class Orders:
    """The shop's order book."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as db:
            db.executescript(SCHEMA)
            if db.execute(HAS_CURRENCY).fetchone() is None:
                db.execute(ADD_CURRENCY)

    def open(self, *, order_id: str, amount: str, is_test: bool, ordered_at: str, currency: str = "USDT") -> None:
        """Write an order down before anything is sent to the hub."""
        with self._transaction() as db:
            db.execute("INSERT INTO orders (order_id, amount, is_test, ordered_at, currency) VALUES (?, ?, ?, ?, ?)",
                       (order_id, amount, is_test, ordered_at, currency))

    def note_payment_url(self, order_id: str, payment_url: str) -> None:
        """Remember where the order can be paid."""
        with self._transaction() as db:
            db.execute("UPDATE orders SET payment_url = ? WHERE order_id = ?", (payment_url, order_id))

    def take(self, webhook_id: str, notice: Any) -> None:
        """Mark an order paid, once, if the notice fits it in every respect; what fits no order changes nothing."""
        with self._transaction() as db:
            seen = db.execute("INSERT OR IGNORE INTO webhooks VALUES (?)", (webhook_id,)).rowcount == 0
            if seen or notice["status"] != "paid" or notice["currency"] != "USDT":
                return
            db.execute(
                "UPDATE orders SET txid = ?, paid_at = ? WHERE order_id = ? AND amount = ? AND currency = ?"
                " AND is_test = ? AND paid_at = ''",
                (notice["txid"], notice["paid_at"], notice["order_id"], *asked_in(notice), notice["is_test"]),
            )

    def find(self, order_id: str) -> Order | None:
        """Find one order."""
        return next(iter(self._read("WHERE order_id = ?", (order_id,))), None)

    def latest(self) -> list[Order]:
        """List orders, the newest first."""
        return self._read("ORDER BY ordered_at DESC, rowid DESC LIMIT 50", ())

    def _read(self, rest: str, values: tuple[str, ...]) -> list[Order]:
        columns = "order_id, amount, is_test, payment_url, txid, paid_at, ordered_at, currency"
        with self._transaction() as db:
            rows = db.execute(f"SELECT {columns} FROM orders {rest}", values).fetchall()
        return [Order(row[0], row[1], bool(row[2]), *row[3:]) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as db, db:
            yield db


def asked_in(notice: Any) -> tuple[str, str]:
    """Give what a notice says was asked: the price in the shop's currency where there is one, else the USDT."""
    price = notice.get("price") or notice
    return price["amount"], price["currency"]

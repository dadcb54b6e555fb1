"""What an adapter remembers of its channel: a few texts by key, kept in the database, secret ones sealed.

Each call is a transaction of its own: adapters run outside all others.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.orm import Session

from core.db import insert_for
from core.hub import Hub
from core.models import Channel, ChannelValue

KEY_LIMIT, VALUE_LIMIT = 100, 8 * 1024


class ChannelStore:
    """One channel's memory, as `core.contract.Store` describes it."""

    def __init__(self, hub: Hub, channel: Channel) -> None:
        self._hub = hub
        self._channel_id = channel.id
        self._uid = channel.uid

    def get(self, key: str) -> str | None:
        """Read a value."""
        with self._hub.database.snapshot() as session:
            row = session.scalar(self._row(key))
            return self._open(row) if row is not None else None

    def read_in(self, session: Session, key: str) -> str | None:
        """Read a value inside somebody else's transaction, locked until its end."""
        row = session.scalar(self._row(key).with_for_update())
        return self._open(row) if row is not None else None

    def put_in(self, session: Session, key: str, value: str) -> None:
        """Write a secret value inside somebody else's transaction."""
        self._write(session, key, value, is_secret=True)

    def put(self, key: str, value: str, *, secret: bool = False) -> None:
        """Write a value; ValueError for one that is too long."""
        with self._hub.database.transaction() as session:
            self._write(session, key, value, is_secret=secret)

    def swap(self, key: str, expected: str | None, value: str | None) -> bool:
        """Write or remove a value only where the present one is as expected; what was secret stays secret."""
        with self._hub.database.transaction() as session:
            row = session.scalar(self._row(key).with_for_update())
            present = self._open(row) if row is not None else None
            if present != expected:
                return False
            if row is None:
                return value is None or self._insert(session, key, value)
            if value is None:
                session.execute(delete(ChannelValue).where(*self._is(key)))
            else:
                self._write(session, key, value, is_secret=row.sealed is not None)
            return True

    def _insert(self, session: Session, key: str, value: str) -> bool:
        made = insert_for(session, ChannelValue).values(
            channel_id=self._channel_id, key=key, **self._closed(key, value, is_secret=False)
        )
        return session.scalar(made.on_conflict_do_nothing().returning(ChannelValue.key)) is not None

    def _write(self, session: Session, key: str, value: str, *, is_secret: bool) -> None:
        kept = self._closed(key, value, is_secret=is_secret)
        changed = session.execute(
            update(ChannelValue).where(*self._is(key)).values(**kept).returning(ChannelValue.key)
        ).scalar_one_or_none()
        if changed is None:
            made = insert_for(session, ChannelValue).values(channel_id=self._channel_id, key=key, **kept)
            session.execute(made.on_conflict_do_update(index_elements=["channel_id", "key"], set_=kept))

    def _closed(self, key: str, value: str, *, is_secret: bool) -> dict[str, object]:
        if not 0 < len(key) <= KEY_LIMIT or len(value.encode()) > VALUE_LIMIT:
            raise ValueError(f"a key has 1 to {KEY_LIMIT} characters, a value at most {VALUE_LIMIT} bytes")
        if is_secret:
            return {"clear": None, "sealed": self._hub.vault.seal(value, place=self._place(key))}
        return {"clear": value, "sealed": None}

    def _open(self, row: ChannelValue) -> str:
        if row.sealed is not None:
            return self._hub.vault.open(row.sealed, place=self._place(row.key))
        return row.clear or ""

    def _place(self, key: str) -> str:
        return f"channel:{self._uid}:value:{key}"

    def _row(self, key: str) -> Select[ChannelValue]:
        return select(ChannelValue).where(*self._is(key))

    def _is(self, key: str) -> tuple[ColumnElement[bool], ...]:
        return ChannelValue.channel_id == self._channel_id, ChannelValue.key == key

"""Public payment ids: a keyed permutation of a counter, so that they neither repeat nor tell how many there are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, literal_column, select, text
from sqlalchemy.orm import Session

from core.db import dialect_of, insert_for
from core.hub import Hub
from core.ids import IdPermutation
from core.models import HubSecret

SECRET_NAME = "payment_id_key"
PLACE = f"hub_secret:{SECRET_NAME}:value"
FLOOR_NAME = "payment_floor"  # digits, not a secret: numbers up to it may have been given out by a database since lost
HIGHEST = text(
    f"SELECT max(coalesce((SELECT max(id) FROM payment), 0), coalesce((SELECT CAST(value AS INTEGER) FROM hub_secret "
    f"WHERE name = '{FLOOR_NAME}'), 0))"
)
SKIPPED = text(
    "SELECT setval(pg_get_serial_sequence('payment', 'id'), nextval(pg_get_serial_sequence('payment', 'id')) + :count)"
)
# As one column of a larger statement; on SQLite there is one writer at a time, and no payment is deleted.
NEXTS: dict[str, ColumnElement[Any]] = {
    "sqlite": literal_column(f"(({HIGHEST.text}) + 1)"),
    "postgresql": literal_column("nextval(pg_get_serial_sequence('payment', 'id'))"),
}
NEXT = {dialect: select(column) for dialect, column in NEXTS.items()}


def next_payment_id(session: Session, hub: Hub, *, drawn: int | None = None) -> tuple[int, int]:
    """Give a counter value, the one that was drawn already or else the next, and its public id."""
    number = int(session.connection().execute(NEXT[dialect_of(session)]).scalar_one()) if drawn is None else drawn
    return number, permutation(session, hub).permute(number)


def permutation(session: Session, hub: Hub) -> IdPermutation:
    """Give the hub's permutation; its key is made at first use and stays for ever, or ids would collide.

    A key made by this very transaction is not remembered: it may yet be rolled back.
    """
    if hub.id_permutation is not None:
        return hub.id_permutation
    stored = _stored_key(session)
    if stored is None:
        return _permutation(hub, _make_key(session, hub))
    hub.id_permutation = _permutation(hub, stored)
    return hub.id_permutation


def skip_numbers(session: Session, hub: Hub, count: int) -> None:
    """Give no number out that is not greater by `count` than the last: a restored hub does not know the newest ones."""
    if not hub.database.is_sqlite:
        session.execute(SKIPPED, {"count": count})
        return
    floor = str(int(session.execute(HIGHEST).scalar_one()) + count).encode()
    session.execute(
        insert_for(session, HubSecret)
        .values(name=FLOOR_NAME, value=floor)
        .on_conflict_do_update(index_elements=["name"], set_={"value": floor})
    )


def _permutation(hub: Hub, sealed_key: bytes) -> IdPermutation:
    key = bytes.fromhex(hub.vault.open(sealed_key, place=PLACE))
    return IdPermutation(key, wide=hub.settings.wide_payment_ids)


def _stored_key(session: Session) -> bytes | None:
    return session.scalar(select(HubSecret.value).where(HubSecret.name == SECRET_NAME))


def _make_key(session: Session, hub: Hub) -> bytes:
    session.execute(
        insert_for(session, HubSecret)
        .values(name=SECRET_NAME, value=hub.vault.seal(hub.ids.hub_key(), place=PLACE))
        .on_conflict_do_nothing()
    )
    made = _stored_key(session)
    if made is None:
        raise RuntimeError("the key of the payment ids was neither made nor found")
    return made

"""Public payment ids: a keyed permutation of a counter, so that they neither repeat nor tell how many there are."""

from __future__ import annotations

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core.db import insert_for
from core.hub import Hub
from core.ids import IdPermutation
from core.models import HubSecret, Payment

SECRET_NAME = "payment_id_key"
PLACE = f"hub_secret:{SECRET_NAME}:value"


def next_payment_id(session: Session, hub: Hub) -> tuple[int, int]:
    """Draw the next counter value and its public id."""
    number = _next_number(session, is_sqlite=hub.database.is_sqlite)
    return number, permutation(session, hub).permute(number)


def permutation(session: Session, hub: Hub) -> IdPermutation:
    """Give the hub's permutation; its key is made at first use and stays for ever, or ids would collide."""
    if hub.id_permutation is None:
        key = bytes.fromhex(_key(session, hub))
        hub.id_permutation = IdPermutation(key, wide=hub.settings.wide_payment_ids)
    return hub.id_permutation


def _next_number(session: Session, *, is_sqlite: bool) -> int:
    if is_sqlite:  # one writer at a time, and payments are never deleted
        return int(session.execute(select(func.coalesce(func.max(Payment.id), 0))).scalar_one()) + 1
    drawn = session.execute(text("SELECT nextval(pg_get_serial_sequence('payment', 'id'))"))
    return int(drawn.scalar_one())


def _key(session: Session, hub: Hub) -> str:
    fresh = hub.ids.hub_key()
    session.execute(
        insert_for(session, HubSecret)
        .values(name=SECRET_NAME, value=hub.vault.seal(fresh, place=PLACE))
        .on_conflict_do_nothing()
    )
    stored = session.execute(select(HubSecret.value).where(HubSecret.name == SECRET_NAME)).scalar_one()
    return hub.vault.open(stored, place=PLACE)

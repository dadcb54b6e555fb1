"""One address for one payment: derive the next address of a merchant's account xpub, inside the payment's transaction.

An index is used once: the counter moves with the payment, and a payment that rolls back gives its index back.
"""

from __future__ import annotations

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from core.chain.xpub import address_at, parse_xpub, xpub_place
from core.db import insert_for
from core.errors import NoFreeAmount
from core.hub import Hub
from core.models import AccountXpub, Address

MAX_SKIPS = 20  # indices whose address somebody has registered by hand

NEXT = (
    update(AccountXpub)
    .where(AccountXpub.id == bindparam("of_xpub"))
    .values(next_index=AccountXpub.next_index + 1)
    .returning(AccountXpub.next_index, AccountXpub.xpub, AccountXpub.fingerprint, AccountXpub.merchant_id)
)


def next_address(session: Session, hub: Hub, xpub_id: int) -> tuple[int, str]:
    """Register the account's next address; returns its row's id and its base58. Raises NoFreeAmount."""
    for _ in range(MAX_SKIPS):
        row = session.connection().execute(NEXT, {"of_xpub": xpub_id}).one()
        account = parse_xpub(hub.vault.open(row.xpub, place=xpub_place(row.fingerprint)))
        index = row.next_index - 1
        address = address_at(account, index)
        if address is None:
            continue
        row_id: int | None = session.execute(
            insert_for(session, Address)
            .values(
                merchant_id=row.merchant_id,
                kind="derived",
                base58=address.base58,
                raw20=address.raw20,
                label="",
                created_at=hub.clock.now(),
                xpub_id=xpub_id,
                derivation_index=index,
            )
            .on_conflict_do_nothing()
            .returning(Address.id)
        ).scalar_one_or_none()
        if row_id is not None:
            return row_id, address.base58
    raise NoFreeAmount

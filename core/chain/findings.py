"""Record what a solid block means to us: money that came, money that went, what the USDT contract announced.

Everything is handed a session inside the block's own transaction; nothing here asks a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, clear_alarm, raise_alarm
from core.chain.addresses import address_of
from core.chain.blocks import Block
from core.chain.decode import BlockInconsistent, TransferLog, raw_log
from core.chain.notices import ContractNotice, NoticeKind
from core.db import INT64_MAX, dialect_of, insert_for
from core.hub import Hub
from core.ledger import journal
from core.models import Address, Outgoing, ScanCount
from core.money import Usdt
from core.payments.matching import Incoming, receive
from core.payments.refund_proofs import see_outgoing

# Built once and asked on the connection: every run of blocks asks them, and building one costs more than its answer.
# The accounts go as one value that the database cuts up: to bind each of them takes three times as long. PostgreSQL is
# given an array, because that alone makes it ask the index for each account, whatever its statistics say.
WHICH_ARE_OURS = {
    "sqlite": text(
        "WITH RECURSIVE place(i) AS (SELECT 1 UNION ALL SELECT i + 20 FROM place WHERE i + 20 <= length(:accounts)) "
        "SELECT address.raw20 FROM place JOIN address ON address.raw20 = substr(:accounts, place.i, 20)"
    ),
    "postgresql": text(
        "SELECT raw20 FROM address WHERE raw20 = ANY(ARRAY("
        "SELECT substr(:accounts, place.i, 20) FROM generate_series(1, length(:accounts), 20) AS place(i)))"
    ),
}
# While catching up, where ours are a quarter of what is asked or less, to read them all is cheaper: with 1,000 of ours,
# 16 blocks of 5,400 accounts take PostgreSQL 2 ms instead of 7. One value again, and none at all where we have more.
MANY, FEWER = 1_000, 4
ALL_OF_OURS = {
    "sqlite": text(
        "SELECT group_concat(hex(raw20), '') FROM address WHERE NOT EXISTS (SELECT 1 FROM address LIMIT 1 OFFSET :most)"
    ),
    "postgresql": text(
        "SELECT encode(string_agg(raw20, ''), 'hex') FROM address "
        "WHERE NOT EXISTS (SELECT 1 FROM address LIMIT 1 OFFSET :most)"
    ),
}
OUR_ADDRESSES = select(Address).where(Address.raw20.in_(bindparam("raw20s", expanding=True)))
OF_EVERYBODY = (NoticeKind.DEPRECATED, NoticeKind.PAUSED, NoticeKind.UNPAUSED)


@dataclass(frozen=True, slots=True)
class Ours:
    """Those of our addresses that some blocks name, by their 20 bytes."""

    by_raw20: dict[bytes, Address]

    def concerns(self, block: Block) -> bool:
        """Tell whether a block moves tokens to or from us, or announces something we must heed."""
        return not block.accounts.isdisjoint(self.by_raw20) or any(self.heeds(notice) for notice in block.notices)

    def heeds(self, notice: ContractNotice) -> bool:
        """Tell whether an announcement is about the contract itself or about one of our addresses."""
        return notice.kind in OF_EVERYBODY or notice.about20 in self.by_raw20


def whose(session: Session, blocks: Sequence[Block]) -> Ours:
    """Find our addresses among all that these blocks name, in one indexed query."""
    accounts = set[bytes]().union(*[block.accounts for block in blocks])
    accounts |= {notice.about20 for block in blocks for notice in block.notices if notice.about20}
    return Ours(watched(session, accounts) if accounts else {})


def watched(session: Session, raw20s: Iterable[bytes]) -> dict[bytes, Address]:
    """Find which of these addresses, 20 bytes each, are ours: a look-up for each, or all of ours where few."""
    asked = set(raw20s)
    all_of_ours = _all_if_few(session, len(asked) // FEWER) if len(asked) >= MANY else None
    if all_of_ours is not None:
        ours = list(asked & all_of_ours)
    else:
        accounts = {"accounts": b"".join(sorted(asked))}
        ours = list(session.connection().scalars(WHICH_ARE_OURS[dialect_of(session)], accounts))
    if not ours:
        return {}
    return {address.raw20: address for address in session.scalars(OUR_ADDRESSES, {"raw20s": ours})}


def _all_if_few(session: Session, most: int) -> set[bytes] | None:
    shown = session.connection().scalar(ALL_OF_OURS[dialect_of(session)], {"most": most})
    if shown is None:
        return None
    together = bytes.fromhex(shown)
    return {together[start : start + 20] for start in range(0, len(together), 20)}


def record_findings(
    session: Session, hub: Hub, genesis_id: str, block: Block, ours: Ours, *, usdt20: bytes
) -> int:
    """Record a block's transfers and announcements; returns how many transfers came to us.

    Raises BlockInconsistent where a transfer is larger than all USDT there is.
    """
    for notice in block.notices:
        if ours.heeds(notice):
            _heed(session, hub, notice, block, ours)
    recorded = 0
    for log in block.logs:
        to, sender = ours.by_raw20.get(log.to20), ours.by_raw20.get(log.sender20)
        if to is None and sender is None:
            continue
        ignored = _reason_to_ignore(log, usdt20)
        if ignored and to is not None:
            _count(session, ignored)
        if ignored:
            continue
        if sender is not None:
            _record_outgoing(session, hub, genesis_id, block, log, sender, is_internal=_is_internal(sender, to))
        if to is not None:
            recorded += _receive(session, hub, genesis_id, block, log, to, sender)
    return recorded


def _receive(
    session: Session, hub: Hub, genesis_id: str, block: Block, log: TransferLog, to: Address, sender: Address | None
) -> bool:
    incoming = Incoming(
        genesis_id=genesis_id,
        txid=log.txid,
        log_index=log.log_index,
        block_index=log.block_index,
        height=block.height,
        block_time=block.block_time,
        block_id=block.block_id,
        sender=address_of(log.sender20).base58,
        amount=_amount(log),
        raw_log=raw_log(log),
        is_own_money=_is_internal(sender, to),
    )
    is_new = receive(session, hub, address=to, incoming=incoming) is not None
    if is_new and to.first_paid_at is None:
        _note_first_payment(session, hub, to, block, log)
    return is_new


def _note_first_payment(session: Session, hub: Hub, address: Address, block: Block, log: TransferLog) -> None:
    """Ask whoever owns a watch-only address to look into its wallet: nobody but they can tell that it is theirs."""
    address.first_paid_at = block.block_time
    if address.kind != "own" or address.confirmed_at is not None:
        return
    raise_alarm(
        session,
        kind=AlarmKind.FIRST_PAYMENT,
        subject=address.base58,
        sentence=f"{address.base58} has received its first payment, {_amount(log).six_places()} USDT: look whether it "
        f"is in your wallet, then run `paywharf address confirm {address.base58}`.",
        now=hub.clock.now(),
    )


def _record_outgoing(
    session: Session,
    hub: Hub,
    genesis_id: str,
    block: Block,
    log: TransferLog,
    sender: Address,
    *,
    is_internal: bool,
) -> None:
    """Record what left an address, once, and book it, so that the journal keeps in step with the chain."""
    row_id = session.execute(
        insert_for(session, Outgoing)
        .values(
            genesis_id=genesis_id,
            txid=log.txid,
            log_index=log.log_index,
            height=block.height,
            block_time=block.block_time,
            address_id=sender.id,
            recipient=address_of(log.to20).base58,
            units=_amount(log),
            recorded_at=hub.clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["txid", "log_index"])
        .returning(Outgoing.id)
    ).scalar_one_or_none()
    if row_id is None:
        return
    merchant_id, is_held = sender.merchant_id, sender.kind == "held"
    internal, spent = journal.internal_account(merchant_id), journal.spent_account(merchant_id, is_held=is_held)
    journal.book(
        session,
        source=f"outgoing:{row_id}",
        amount=_amount(log),
        debit=internal if is_internal else spent,
        credit=journal.chain_account(sender.base58),
        booked_at=hub.clock.now(),
    )
    if not is_internal:
        see_outgoing(session, hub, session.get_one(Outgoing, row_id), merchant_id=merchant_id)


def _heed(session: Session, hub: Hub, notice: ContractNotice, block: Block, ours: Ours) -> None:
    """Remember an announcement of the contract and tell the operator."""
    now = hub.clock.now()
    if notice.kind is NoticeKind.DEPRECATED:
        sentence = f"The USDT contract was deprecated at block {block.height}: transfers may now be logged elsewhere."
        raise_alarm(session, kind=AlarmKind.CONTRACT_DEPRECATED, subject="usdt", sentence=sentence, now=now)
    elif notice.kind is NoticeKind.PAUSED:
        sentence = f"The USDT contract was paused at block {block.height}: nobody can pay."
        raise_alarm(session, kind=AlarmKind.CONTRACT_PAUSED, subject="usdt", sentence=sentence, now=now)
    elif notice.kind is NoticeKind.UNPAUSED:
        clear_alarm(session, kind=AlarmKind.CONTRACT_PAUSED, subject="usdt", now=now)
    elif notice.about20 is not None:
        _heed_blacklist(session, hub, notice, block, ours.by_raw20[notice.about20])


def _heed_blacklist(session: Session, hub: Hub, notice: ContractNotice, block: Block, address: Address) -> None:
    now = hub.clock.now()
    if notice.kind is NoticeKind.UNLISTED:
        address.blacklisted_at = None
        clear_alarm(session, kind=AlarmKind.ADDRESS_BLACKLISTED, subject=address.base58, now=now)
        return
    address.blacklisted_at = address.blacklisted_at or block.block_time
    what = "its USDT was destroyed" if notice.kind is NoticeKind.DESTROYED else "it can receive USDT but send none"
    raise_alarm(
        session,
        kind=AlarmKind.ADDRESS_BLACKLISTED,
        subject=address.base58,
        sentence=f"{address.base58} is on the USDT contract's blacklist since block {block.height}: {what}.",
        now=now,
    )


def _reason_to_ignore(log: TransferLog, usdt20: bytes) -> str | None:
    if log.contract20 != usdt20:
        return "fake_token"
    if not log.succeeded:
        return "failed"
    return "zero_value" if log.units == 0 else None


def _is_internal(sender: Address | None, to: Address | None) -> bool:
    return sender is not None and to is not None and sender.merchant_id == to.merchant_id


def _amount(log: TransferLog) -> Usdt:
    if log.units > INT64_MAX:  # more than all USDT there is: no transfer of the real contract can say so
        raise BlockInconsistent(f"Transaction {log.txid} moves an impossible amount.")
    return Usdt(log.units)


def _count(session: Session, kind: str) -> None:
    statement = insert_for(session, ScanCount).values(kind=kind, seen=1)
    session.execute(
        statement.on_conflict_do_update(index_elements=["kind"], set_={"seen": ScanCount.seen + 1})
    )

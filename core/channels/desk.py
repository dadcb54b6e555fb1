"""A channel's desk, as `core.desk.Desk` describes it: what waits, and what its people decide, judged by their role.

It shows and moves what concerns the channel's project: money counted for its payments, and what fits no payment at an
address of its merchant. Money of other projects is not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from core.channels import people
from core.channels.store import ChannelStore
from core.db import insert_for
from core.desk import Act, InboxEntry, Likely, Member, RefundView, Role
from core.errors import DatabaseUnavailable, EntryChanged, NotAllowed, NotFound, NotInInbox, RefundTooLarge
from core.hub import Hub
from core.models import Channel, ChannelMember, Notice, Payment, Project, Refund, Transfer
from core.models.chain import in_inbox
from core.models.payments import is_live
from core.models.refunds import is_live_refund
from core.money import Usdt
from core.payments import inbox, refunds
from core.payments.candidates import candidates
from core.payments.inbox import By, Entry
from core.payments.refunds import Offer
from core.payments.state import Status

COUNT_LIMIT, LIKELY_LIMIT, TRIES = 1_000, 3, 3
MAY_DECIDE, MAY_GIVE_BACK = (Role.OPERATOR, Role.OWNER), (Role.OWNER,)
RIGHTS = {
    Act.ACCEPT: MAY_DECIDE, Act.ATTACH: MAY_DECIDE, Act.IGNORE: MAY_DECIDE, Act.REFUNDED: MAY_GIVE_BACK,
}

Got = TypeVar("Got")


class ChannelDesk:
    """One channel's desk."""

    def __init__(self, hub: Hub, channel: Channel, project: Project) -> None:
        self._hub = hub
        self._channel = channel
        self._project = project

    def members(self) -> Sequence[Member]:
        """List the channel's people, those who joined first before the others."""
        with self._hub.database.snapshot() as session:
            found = people.members(session, self._channel.id)
            return [Member(one.person, one.name, Role(one.role)) for one in found]

    def role_of(self, person: str) -> Role | None:
        """Give somebody's role; None for a stranger."""
        with self._hub.database.snapshot() as session:
            return people.role_of(session, self._channel.id, person)

    def join(self, code: str, *, person: str, name: str) -> Role:
        """Take an invitation, once. Raises InvalidInvite."""
        with self._hub.database.transaction() as session:
            return people.join(session, self._hub, self._channel.id, code=code, person=person, name=name)

    def waiting(self, *, after: int = 0, limit: int = 5) -> Sequence[InboxEntry]:
        """List what waits, the oldest first, from beyond the transfer id `after`."""
        with self._hub.database.snapshot() as session:
            found = inbox.concerning(session, self._project, after=after, limit=limit)
            return [self._shown(session, one) for one in found]

    def count_waiting(self, *, after: int = 0) -> int:
        """Count what waits beyond the transfer id `after`; at most COUNT_LIMIT."""
        with self._hub.database.snapshot() as session:
            return count_waiting(session, self._project, after=after)

    def entry(self, transfer_id: int) -> InboxEntry:
        """Read one entry, waiting or not. Raises NotFound."""
        with self._hub.database.snapshot() as session:
            return self._shown(session, self._own(session, transfer_id))

    def decide(
        self, transfer_id: int, act: Act, *, person: str, mark: str, payment_id: int | None = None
    ) -> InboxEntry:
        """Decide about an entry as it was when its mark was read; gives it as it is then."""

        def _do(session: Session) -> InboxEntry:
            self._require(session, person, RIGHTS[act])
            self._own(session, transfer_id)
            entry = inbox.waiting(session, transfer_id)
            if _mark(session, entry) != mark:
                raise EntryChanged
            decided = self._act(session, transfer_id, act, By(self._actor(person)), payment_id)
            return self._shown(session, decided)

        return self._decided(_do)

    def refund(self, order_id: str, *, person: str) -> RefundView:
        """Promise an order's waiting money back, or show the refund that it has."""

        def _do(session: Session) -> RefundView:
            self._require(session, person, MAY_GIVE_BACK)
            payments = self._payments(session, order_id)
            waiting = self._refundable(session, payments)
            if waiting is None:
                return self._newest_refund(session, payments)
            return self._offered(session, refunds.request(session, self._hub, waiting, by=By(self._actor(person))))

        return self._decided(_do)

    def refund_paid(self, order_id: str, *, person: str) -> RefundView:
        """Promise back all that is left of what has paid an order, or show its last refund where nothing is."""

        def _do(session: Session) -> RefundView:
            self._require(session, person, MAY_GIVE_BACK)
            payments = self._payments(session, order_id)
            paid = session.scalar(select(Payment.id).where(Payment.id.in_(payments), Payment.status == Status.PAID))
            if paid is None:
                return self._newest_refund(session, payments)
            by = By(self._actor(person))
            try:
                return self._offered(session, refunds.request_paid(session, self._hub, paid, amount=None, by=by))
            except RefundTooLarge:  # all of it is promised back already
                return self._newest_refund(session, payments)

        return self._decided(_do)

    def remark(self, kind: str, key: str, **facts: str) -> None:
        """Have the channel's people told of something that only the adapter can know; each key once for ever."""
        made = {
            "channel_id": self._channel.id, "key": f"remark:{key}", "kind": kind, "facts": json.dumps(facts),
            "created_at": self._hub.clock.now(),
        }
        with self._hub.database.transaction() as session:
            session.execute(insert_for(session, Notice).values(**made).on_conflict_do_nothing())

    def _decided(self, do: Callable[[Session], Got]) -> Got:
        for _ in range(TRIES):
            try:
                with self._hub.database.transaction() as session:
                    done = do(session)
                self._hub.wake()
                return done
            except StaleDataError:  # the watcher was faster: decide again on what is true now
                continue
        raise DatabaseUnavailable("The payment is being settled at this moment; try again.")

    def _act(self, session: Session, transfer_id: int, act: Act, by: By, payment_id: int | None) -> Entry:
        if act is Act.ATTACH:
            payment = self._payment(session, payment_id)
            return inbox.attach(session, self._hub, transfer_id, payment=payment, by=by)
        plain = {Act.ACCEPT: inbox.accept, Act.REFUNDED: inbox.mark_refunded, Act.IGNORE: inbox.ignore}
        return plain[act](session, self._hub, transfer_id, by=by)

    def _require(self, session: Session, person: str, allowed: Sequence[Role]) -> None:
        if people.role_of(session, self._channel.id, person) not in allowed:
            raise NotAllowed

    def _own(self, session: Session, transfer_id: int) -> Entry:
        """Find an entry that concerns this project; raises NotFound for any other."""
        entry = inbox.get_entry(session, transfer_id)
        is_ours = entry.address.merchant_id == self._project.merchant_id
        if not is_ours or (entry.payment is not None and entry.payment.project_id != self._project.id):
            raise NotFound(f"There is no transfer {transfer_id}.")
        return entry

    def _payment(self, session: Session, payment_id: int | None) -> Payment:
        found = session.scalar(
            select(Payment).where(Payment.payment_id == payment_id, Payment.project_id == self._project.id)
        )
        if found is None:
            raise NotFound(f"There is no payment {payment_id}.")
        return found

    def _payments(self, session: Session, order_id: str) -> list[int]:
        """Find an order's live payments, by its own id or by a payment's. Raises NotFound."""
        of_project = select(Payment.id).where(Payment.project_id == self._project.id, is_live())
        found = list(session.scalars(of_project.where(Payment.order_id == order_id)))
        if not found and order_id.isascii() and order_id.isdecimal() and len(order_id) < 17:
            found = list(session.scalars(of_project.where(Payment.payment_id == int(order_id))))
        if not found:
            raise NotFound("There is no such order.")
        return found

    def _refundable(self, session: Session, payments: Sequence[int]) -> int | None:
        """Find the oldest transfer of these payments that waits and is not promised back."""
        on_its_way = select(Refund.transfer_id).where(is_live_refund(), Refund.transfer_id.is_not(None))
        return session.scalar(
            select(Transfer.id)
            .where(Transfer.payment_id.in_(payments), in_inbox(), Transfer.id.not_in(on_its_way))
            .order_by(Transfer.id)
            .limit(1)
        )

    def _newest_refund(self, session: Session, payments: Sequence[int]) -> RefundView:
        wanted = select(Refund).where(Refund.payment_id.in_(payments)).order_by(Refund.id.desc()).limit(1)
        found = session.scalar(wanted)
        if found is None:
            raise NotInInbox("This order has no money that waits for a decision.")
        return _refund(session, found)

    def _offered(self, session: Session, offer: Offer) -> RefundView:
        view = _refund(session, offer.refund, link=offer.link)
        self._keep_link(session, view)
        return view

    def _keep_link(self, session: Session, view: RefundView) -> None:
        """Keep a link for the push that tells the payer: nothing else knows it, and it is committed with the refund."""
        key, store = f"refund:{view.payment_id}", ChannelStore(self._hub, self._channel)
        kept = json.loads(store.read_in(session, key) or "[]")
        store.put_in(session, key, json.dumps([*kept, [view.link, view.amount.six_places()]]))

    def _shown(self, session: Session, entry: Entry) -> InboxEntry:
        """Show an entry; whoever of the channel's people decided about it is named."""
        shown = _shown(session, self._project, entry)
        person = shown.by.removeprefix(self._actor(""))
        member = session.get(ChannelMember, (self._channel.id, person)) if person != shown.by else None
        return replace(shown, by=member.name) if member else shown

    def _actor(self, person: str) -> str:
        return f"{self._channel.adapter}:{person}"


def count_waiting(session: Session, project: Project, *, after: int = 0) -> int:
    """Count what waits and concerns a project, beyond the transfer id `after`; at most COUNT_LIMIT."""
    found = inbox.concerned(project).where(Transfer.id > after).limit(COUNT_LIMIT)
    rows = found.with_only_columns(Transfer.id).subquery()
    return session.scalar(select(func.count()).select_from(rows)) or 0


def _shown(session: Session, project: Project, entry: Entry) -> InboxEntry:
    transfer, payment = entry.transfer, entry.payment
    waits = transfer.resolved_at is None and transfer.bucket not in ("matched", "internal")
    acts = inbox.acts_of(session, transfer.id)
    return InboxEntry(
        transfer_id=transfer.id, bucket=transfer.bucket, amount=transfer.units, open_amount=entry.open_units,
        address=entry.address.base58, txid=transfer.txid, block_time=transfer.block_time, waits=waits,
        resolution="" if waits else (transfer.resolution or transfer.bucket),
        by=acts[-1].actor if acts and not waits else "", refund=_refund_state(session, entry),
        mark=_mark(session, entry), likely=_likely(session, project, entry) if waits else (),
        payment_id=payment.payment_id if payment else None, order_id=payment.order_id if payment else "",
        status=payment.status if payment else "", due=payment.pay_units if payment else Usdt(0),
    )


def _likely(session: Session, project: Project, entry: Entry) -> tuple[Likely, ...]:
    return tuple(
        Likely(
            one.payment.payment_id, one.payment.order_id, one.payment.status, Usdt(one.off_units), one.apart_s,
            one.is_same_sender,
        )
        for one in candidates(session, entry) if one.payment.project_id == project.id
    )[:LIKELY_LIMIT]


def _mark(session: Session, entry: Entry) -> str:
    transfer = entry.transfer
    told = (
        transfer.bucket, entry.payment.id if entry.payment else 0, entry.payment.status if entry.payment else "",
        entry.open_units.units, transfer.resolution or "", _refund_state(session, entry),
    )
    return sha256(repr(told).encode()).hexdigest()[:8]


def _refund_state(session: Session, entry: Entry) -> str:
    wanted = select(Refund.state).where(Refund.transfer_id == entry.transfer.id, is_live_refund())
    return session.scalar(wanted) or ""


def _refund(session: Session, refund: Refund, *, link: str = "") -> RefundView:
    payment = session.get_one(Payment, refund.payment_id)
    return RefundView(
        refund.id, payment.payment_id, payment.order_id, refund.units, refund.state, refund.recipient or "",
        refund.txid or "", link,
    )

"""Whatever buyers pay and merchants decide, in any order: not a unit is lost, doubled or another order's.

A hypothesis state machine over create, pay, cancel, expire, accept, attach, ignore, over transactions that payers name
and refunds that are promised, addressed, paid and proven, on shared addresses (with and without a tolerance and late
acceptance), on addresses of a pool and on derived ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test,
)
from sqlalchemy import select

from core.chain.addresses import address_of
from core.chain.tracing import Tracer
from core.errors import (
    GatewayError, NoFreeAmount, NotAttachable, NotInInbox, OrderHoldsFunds, OrderTaken, PaymentClosed, RefundClosed,
    RefundTooLarge, RefundUnderway, TooManyTries, TransferUnderway,
)
from core.hub import Hub
from core.ledger import journal
from core.models import Address, Payment, Project, Refund, RefundLimit, Reservation, Transfer
from core.money import Usdt
from core.payments import controls, inbox, leads, matching, refunds
from core.payments.inbox import Entry
from core.payments.matching import Bucket
from core.payments.refund_limits import refundable
from core.projects import receiving
from core.testing.factories import add_fresh_address
from tests.chain.test_xpub import ACCOUNT
from tests.payments.conftest import ANNA, Till, make_till

WAYS = ("shared", "tolerant", "pool", "xpub")
REFUSALS = (NotInInbox, NotAttachable, OrderTaken, RefundUnderway)
BUYER = address_of(b"\x77" * 20).base58
NUMBER = st.integers(0, 30)
OFF = st.sampled_from([0, 0, 0, -1, 1, -200_000, 400_000, -4_000_000, 4_000_000])


class Machine(RuleBasedStateMachine):
    """The rules are what people do; the invariants are what a merchant relies on."""

    make_hub: Callable[[], Hub]

    @initialize(way=st.sampled_from(WAYS))
    def open_shop(self, way: str) -> None:
        self.till: Till = make_till(type(self).make_hub())
        self.orders = 0
        self.paid: set[int] = set()
        self.spent = 0  # units that left the shop's address
        self.payments: list[Payment] = []
        shop = self.till.shop
        with self.till.hub.database.transaction() as session:
            second = add_fresh_address(session, self.till.hub, shop.merchant_id).base58
            if way == "xpub":
                receiving.add_xpub(session, self.till.hub, merchant_id=shop.merchant_id, xpub=ACCOUNT)
        if way == "tolerant":
            self.till.set_policy(tolerance="0.3", late_accept_s=1200)
        if way == "pool":
            self.till.pool(second, shop.address.base58)  # type: ignore[union-attr]
        self.till.set_policy(addressing="shared" if way == "tolerant" else way)
        self.create(price=5, again=0)

    @rule(price=st.integers(1, 6), again=st.integers(0, 3))
    def create(self, price: int, again: int) -> None:
        """Open an order, or one that there was before."""
        if again == 0 or not self.orders:
            self.orders += 1
        number = self.orders if again == 0 else 1 + again % self.orders
        try:
            payment = self.till.order(f"O{number}", f"{price if again == 0 else 1 + number % 6}.00")
        except (NoFreeAmount, OrderHoldsFunds) as refusal:
            assert isinstance(refusal, GatewayError)
            return
        except GatewayError as refusal:
            assert refusal.code == "order_amount_conflict"
            return
        if payment.id not in {one.id for one in self.payments}:
            self.payments.append(payment)

    @rule(which=NUMBER, offs=st.lists(OFF, min_size=1, max_size=2))
    def pay(self, which: int, offs: list[int]) -> None:
        """Pay about what some payment asks, once or twice in one transaction."""
        payment = self.payments[which % len(self.payments)]
        sums = [max(1, payment.pay_units.units + off) for off in offs]
        chain = self.till.chain
        chain.mine(chain.transaction(*[chain.log(payment.address, units) for units in sums]))
        self.till.scanner.scan_once()

    @rule(units=st.integers(1, 7_000_000))
    def pay_anything(self, units: int) -> None:
        self.till.pay(self.payments[0].address, units)

    @rule(minutes=st.sampled_from([1, 10, 31, 60, 25 * 60]))
    def let_time_pass(self, minutes: int) -> None:
        chain = self.till.chain
        chain.skip_to(chain.time_of(chain.head) + timedelta(minutes=minutes))
        self.till.hub.clock.advance(minutes=minutes)  # type: ignore[attr-defined]
        self.till.scanner.scan_once()

    @rule(which=NUMBER)
    def cancel(self, which: int) -> None:
        with self.till.hub.database.transaction() as session:
            row = session.get_one(Payment, self.payments[which % len(self.payments)].id)
            try:
                controls.cancel(session, self.till.hub, row)
            except (PaymentClosed, TransferUnderway):
                pass

    def has_waiting(self) -> bool:
        return bool(getattr(self, "till", None) and self.till.waiting())

    @precondition(has_waiting)
    @rule(which=NUMBER, act=st.sampled_from([inbox.accept, inbox.accept, inbox.mark_refunded, inbox.ignore]))
    def decide(self, which: int, act: Callable[..., Entry]) -> None:
        waiting = self.till.waiting()
        self._try(act, waiting[which % len(waiting)])

    @precondition(has_waiting)
    @rule(which=NUMBER, to=NUMBER)
    def attach(self, which: int, to: int) -> None:
        waiting = self.till.waiting()
        payment = self.payments[to % len(self.payments)]
        self._try(inbox.attach, waiting[which % len(waiting)], payment=payment)

    @rule(which=NUMBER, to=NUMBER)
    def name(self, which: int, to: int) -> None:
        """Any payer names any transfer, their own or a stranger's: nobody is credited by it."""
        hub, payment, before = self.till.hub, self.payments[to % len(self.payments)], self.till.books()
        with hub.database.snapshot() as session:
            txids = list(session.scalars(select(Transfer.txid).order_by(Transfer.id)))
        if not txids:
            return
        hub.clock.advance(minutes=2)  # type: ignore[attr-defined]  so that no limit is met
        with hub.database.transaction() as session:
            try:
                leads.ask(session, hub, session.get_one(Payment, payment.id), txids[which % len(txids)])
            except (PaymentClosed, TooManyTries):
                pass
        assert self.till.books() == before

    @precondition(has_waiting)
    @rule(which=NUMBER)
    def promise_back(self, which: int) -> None:
        waiting = self.till.waiting()
        try:
            with self.till.hub.database.transaction() as session:
                offer = refunds.request(session, self.till.hub, waiting[which % len(waiting)], by=ANNA)
                refunds.give_address(session, self.till.hub, offer.refund, BUYER)
        except RefundUnderway:
            return

    @precondition(lambda self: getattr(self, "paid", set()))
    @rule(which=NUMBER, percent=st.sampled_from([1, 50, 100]))
    def promise_part_back(self, which: int, percent: int) -> None:
        """Promise some of what paid an order back, more than is left of it at times."""
        paid, hub = sorted(self.paid), self.till.hub
        try:
            with hub.database.transaction() as session:
                payment = session.get_one(Payment, paid[which % len(paid)])
                units = Usdt(payment.pay_units.units * percent // 100)
                offer = refunds.request_paid(session, hub, payment.id, amount=units, by=ANNA)
                refunds.give_address(session, hub, offer.refund, BUYER)
        except RefundTooLarge:
            return

    def live_refunds(self) -> list[Refund]:
        if not hasattr(self, "till"):
            return []
        with self.till.hub.database.snapshot() as session:
            return refunds.live_refunds(session)

    @precondition(live_refunds)
    @rule(which=NUMBER, off=st.sampled_from([0, 0, -1, 1]), from_own=st.booleans(), copies=st.integers(1, 2))
    def pay_back(self, which: int, off: int, from_own: bool, copies: int) -> None:
        """Pay a refund, enough or not, from the shop's address or from elsewhere, and name the transaction."""
        live = self.live_refunds()
        refund, chain, hub = live[which % len(live)], self.till.chain, self.till.hub
        sender = self.payments[0].address if from_own else None
        info = chain.transfer(BUYER, max(1, refund.units.units + off), sender=sender, copies=copies)
        chain.mine(info)
        self.till.scanner.scan_once()
        self.spent += max(1, refund.units.units + off) * copies if from_own else 0
        try:
            with hub.database.transaction() as session:
                refunds.name_transaction(session, hub, refund.id, info.id, by=ANNA)
        except RefundClosed:  # seen leaving, exactly paid: proven already
            assert from_own
        Tracer(hub, chain.fleet(hub.clock)).step()

    @precondition(live_refunds)
    @rule(which=NUMBER)
    def keep_after_all(self, which: int) -> None:
        live = self.live_refunds()
        try:
            with self.till.hub.database.transaction() as session:
                refunds.cancel(session, self.till.hub, live[which % len(live)].id, by=ANNA)
        except RefundClosed:
            return

    def _try(self, act: Callable[..., Entry], transfer_id: int, **arguments: object) -> None:
        before = self.till.books()
        try:
            self.till.act(act, transfer_id, **arguments)
        except REFUSALS:
            assert self.till.books() == before

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        """What came is what all accounts hold together, and what waits is what the inbox shows."""
        if not self.payments:
            return
        books = self.till.books()
        with self.till.hub.database.snapshot() as session:
            came = sum(units.units for units in session.scalars(select(Transfer.units)))
            all_entries = [inbox.get_entry(session, row) for row in session.scalars(select(Transfer.id))]
            waiting = {entry.transfer.id for entry in inbox.entries(session)}
        with self.till.hub.database.snapshot() as session:
            returned = -journal.account_sum(session, journal.spent_account(self.till.shop.merchant_id)) + self.spent
        assert sum(books.values()) == came - returned  # what went back from an address of the shop is gone from it
        left = {entry.transfer.id: entry.open_units.units for entry in all_entries if entry.open_units.units}
        assert left.keys() == waiting, (left, waiting)
        assert sum(left.values()) == books.get("unassigned", 0)
        assert all(entry.transfer.bucket in set(Bucket) for entry in all_entries)

    @invariant()
    def a_refund_is_proven_once_and_closes_its_transfer(self) -> None:
        with self.till.hub.database.snapshot() as session:
            rows = session.execute(select(Refund, Transfer).join(Transfer, Transfer.id == Refund.transfer_id)).all()
            proven = session.scalars(select(Refund).where(Refund.state == "verified"))
            proofs = [(refund.txid, refund.log_index) for refund in proven]
        assert len(set(proofs)) == len(proofs)
        for refund, transfer in rows:
            if refund.state == "verified":
                assert transfer.resolution == "refunded"
            elif refund.state != "canceled":
                assert (transfer.resolved_at, transfer.bucket == "matched") == (None, False)

    @invariant()
    def no_payment_gives_back_more_than_it_has_received(self) -> None:
        with self.till.hub.database.snapshot() as session:
            sums = [refundable(session, payment) for payment in session.scalars(select(Payment))]
            walls = session.scalars(select(RefundLimit)).all()
            back = journal.account_sum(session, journal.returned_account(self.till.shop.project_id))
        assert all(one.refunded <= one.promised <= one.received for one in sums)
        assert sum(one.refunded.units for one in sums) == back
        assert sum(wall.promised_units.units for wall in walls) == sum(one.promised.units for one in sums)

    @invariant()
    def nobody_pays_another_order(self) -> None:
        """What was credited without a human came to the payment's own address, after its promise, in a fitting sum."""
        with self.till.hub.database.snapshot() as session:
            rows = session.execute(
                select(Transfer, Payment, Reservation, Address)
                .join(Payment, Payment.id == Transfer.payment_id)
                .join(Reservation, Reservation.id == Payment.reservation_id)
                .join(Address, Address.id == Reservation.address_id)
                .where(Payment.accepted_at.is_(None), Transfer.bucket.in_(["matched", "overpaid"]))
            ).all()
        sums: Counter[int] = Counter()
        for transfer, payment, promise, address in rows:
            assert (transfer.address_id, transfer.height > promise.from_height) == (promise.address_id, True)
            sums[payment.id] += transfer.units.units
            if not (address.exclusive or address.kind == "derived"):
                short = payment.pay_units.units - transfer.units.units
                assert 0 <= short <= promise.slack_units.units
        for payment_id, came in sums.items():
            payment, promise = next((p, r) for _, p, r, _ in rows if p.id == payment_id)
            assert payment.status == "paid" and came >= payment.pay_units.units - promise.slack_units.units

    @invariant()
    def only_paid_orders_are_credited(self) -> None:
        with self.till.hub.database.snapshot() as session:
            project = session.get_one(Project, self.till.shop.project_id)
            credited = journal.balance_of(session, project).received.units
            by_payment: Counter[int] = Counter()
            for row in session.scalars(select(Transfer)).all():
                entry = inbox.get_entry(session, row.id)
                if row.payment_id is not None and row.resolution not in ("refunded", "ignored"):
                    by_payment[row.payment_id] += row.units.units - entry.open_units.units
                elif row.bucket == "overpaid" and row.payment_id is not None:
                    by_payment[row.payment_id] += session.get_one(Payment, row.payment_id).pay_units.units
            payments = {row.id: row for row in session.scalars(select(Payment))}
        spent = {key: units for key, units in by_payment.items() if units}
        assert all(payments[key].status == "paid" for key in spent), spent
        if not any(row.resolution in ("refunded", "ignored") for row in self._overpaid()):
            assert sum(spent.values()) == credited

    @invariant()
    def paid_is_final_and_an_order_is_paid_once(self) -> None:
        with self.till.hub.database.snapshot() as session:
            paid = session.scalars(select(Payment).where(Payment.status == "paid")).all()
        assert self.paid <= {payment.id for payment in paid}
        self.paid = {payment.id for payment in paid}
        assert max(Counter(payment.order_id for payment in paid).values(), default=1) == 1

    def _overpaid(self) -> list[Transfer]:
        with self.till.hub.database.snapshot() as session:
            return list(session.scalars(select(Transfer).where(Transfer.bucket == "overpaid")))


def live(fresh_hub: Callable[[], Hub], *, lives: int) -> None:
    Machine.make_hub = staticmethod(fresh_hub)  # type: ignore[assignment]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=lives, stateful_step_count=20, deadline=None, derandomize=True,
            database=None, report_multiple_bugs=False, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whatever_people_do_money_is_conserved(fresh_hub: Callable[[], Hub]) -> None:
    live(fresh_hub, lives=6)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_thousand_lives_conserve_money(fresh_hub: Callable[[], Hub]) -> None:
    live(fresh_hub, lives=1000)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_planted_fault_is_found(fresh_hub: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    """Late, short and doubled money would be credited at once."""
    monkeypatch.setattr(
        matching, "owed_of", lambda payment, bucket, *, amount, before: amount if payment else Usdt(0)
    )
    with pytest.raises(AssertionError):
        live(fresh_hub, lives=25)

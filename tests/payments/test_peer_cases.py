"""The seventeen cases in which, by their source, other gateways fail somewhere; each by its number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from core.chain.fleet import Fleet
from core.chain.lookahead import Lookahead
from core.chain.scanner import Scanner
from core.db import open_database
from core.errors import EgressFailed, NodeUnavailable, NoFreeAmount, TooManyDecimals
from core.http import Answer
from core.hub import Hub
from core.ids import Mode
from core.models import Cursor, Delivery, Payment, Reservation, Transfer
from core.money import Usdt, parse_amount
from core.outbox.delivery import attempt, claim_due
from core.payments.controls import Scenario, simulate
from core.payments.reservations import TAG_LIMIT
from core.projects import receiving
from core.testing.crashpoints import Crash, CrashPoints, with_crash_points
from core.testing.factories import make_payment
from core.testing.faulty import FaultyNode
from core.testing.hubs import START, make_hub
from tests.chain.test_xpub import ACCOUNT
from tests.payments.conftest import Till

ROUTER = "TG3XXyExBkPp9nzdajDZsozEu4BkaSJozs"


def buckets(till: Till) -> list[str]:
    with till.hub.database.snapshot() as session:
        return list(session.scalars(select(Transfer.bucket).order_by(Transfer.height, Transfer.log_index)))


def scan_stubbornly(till: Till, scanner: Scanner) -> None:
    """Scan until the cursor stands at the solid height, however often the node fails."""
    for _ in range(300):
        try:
            scanner.scan_once()
        except NodeUnavailable:
            continue
        with till.hub.database.snapshot() as session:
            if session.scalars(select(Cursor.height)).one() == till.chain.solid:
                return
    raise AssertionError("the cursor never arrived")


def test_peer_01_two_transfer_logs_in_one_transaction_to_one_address(till: Till) -> None:
    with till.hub.database.transaction() as session:
        receiving.add_xpub(session, till.hub, merchant_id=till.shop.merchant_id, xpub=ACCOUNT)
    payment = till.order()
    chain = till.chain
    chain.mine(chain.transaction(chain.log(payment.address, 20_000_000), chain.log(payment.address, 30_000_000)))

    till.scanner.scan_once()

    assert (till.standing(payment), buckets(till)) == (("paid", "none"), ["matched", "matched"])
    assert till.books() == {"project": 50_000_000}


def test_peer_02_one_transaction_that_pays_two_orders(till: Till) -> None:
    one, other = till.order("A"), till.order("B", "7.00")
    chain = till.chain
    logs = [chain.log(payment.address, payment.pay_units.units) for payment in (one, other)]
    chain.mine(chain.transaction(*logs))

    till.scanner.scan_once()

    assert [till.standing(payment)[0] for payment in (one, other)] == ["paid", "paid"]
    assert till.books() == {"project": one.pay_units.units + other.pay_units.units}


def test_peer_03_a_transfer_by_a_third_partys_contract(till: Till) -> None:
    payment = till.order()

    till.pay(payment.address, payment.pay_units.units, sender=ROUTER)

    assert till.standing(payment) == ("paid", "none")


def test_peer_04_a_duplicate_while_confirming(till: Till) -> None:
    payment = till.order()
    chain = till.chain
    infos = [chain.transfer(payment.address, payment.pay_units.units) for _ in range(2)]
    chain.mine(infos[0], solid=False)
    Lookahead(till.hub, chain.fleet(till.hub.clock)).look_once()
    confirming = till.standing(payment)
    chain.mine(infos[1], solid=False)
    chain.solid = chain.head

    till.scanner.scan_once()

    with till.hub.database.snapshot() as session:
        txid = session.get_one(Payment, payment.id).txid
    assert (confirming[0], till.standing(payment), txid) == ("confirming", ("paid", "duplicate"), infos[0].id)
    assert till.books() == {"project": payment.pay_units.units, "unassigned": payment.pay_units.units}


@pytest.mark.parametrize(("after", "bucket"), [
    (timedelta(seconds=1), "late"), (timedelta(hours=1), "late"), (timedelta(hours=25), "unknown"),
])
def test_peer_05_paid_after_expiry(till: Till, after: timedelta, bucket: str) -> None:
    payment = till.order()
    till.chain.skip_to(payment.expires_at + after - timedelta(seconds=3))
    till.scanner.scan_once()

    till.pay(payment.address, payment.pay_units.units)

    assert (till.standing(payment)[0], buckets(till)) == ("expired", [bucket])
    assert till.books() == {"unassigned": payment.pay_units.units}


def test_peer_06_an_old_unmatched_transfer_never_pays_a_new_order(till: Till) -> None:
    payment = till.order()
    till.pay(payment.address, 7_000_100)
    with till.hub.database.transaction() as session:
        full = [{"address_id": till.shop.address.id, "pay_units": Usdt(7_000_000 + tag), "from_height": 0,
                 "held_until": START + timedelta(days=1)} for tag in range(200, TAG_LIMIT + 1, 100)]
        session.execute(insert(Reservation), full)

    new = till.order("NEW", "7.00")
    till.chain.skip(3)
    till.scanner.scan_once()

    assert (new.pay_units.units, till.standing(new), buckets(till)) == (7_000_100, ("pending", "none"), ["unknown"])


@pytest.mark.parametrize("crash_at", range(1, 7))
def test_peer_07_killed_between_transfer_stored_and_order_credited(till: Till, crash_at: int) -> None:
    payment = till.order()
    till.chain.mine(till.chain.transfer(payment.address, payment.pay_units.units))
    till.scanner.close()
    dying = with_crash_points(till.hub, CrashPoints(crash_at=crash_at))
    try:
        Scanner(dying, till.chain.fleet(till.hub.clock), holder="dying").scan_once()
    except Crash:
        pass
    till.hub.clock.advance(seconds=60)  # type: ignore[attr-defined]

    Scanner(till.hub, till.chain.fleet(till.hub.clock), holder="next").scan_once()

    assert (till.standing(payment), till.books()) == (("paid", "none"), {"project": payment.pay_units.units})


def test_peer_08_two_hours_of_downtime(till: Till) -> None:
    payment = till.order()
    till.chain.mine(till.chain.transfer(payment.address, payment.pay_units.units))
    till.chain.skip(60)
    till.chain.skip_to(START + timedelta(hours=2))
    till.hub.clock.advance(minutes=120)  # type: ignore[attr-defined]

    till.scanner.scan_once()

    assert till.standing(payment) == ("paid", "none")


def test_peer_09_a_provider_that_lags_and_forgets(till: Till) -> None:
    payments = [till.order(f"O{number}") for number in range(4)]
    for payment in payments:
        till.chain.mine(till.chain.transfer(payment.address, payment.pay_units.units))
        till.chain.skip(2)
    till.scanner.close()

    node = FaultyNode(till.chain, percent=40, seed=9)
    scan_stubbornly(till, Scanner(till.hub, Fleet([node], clock=till.hub.clock), holder="stubborn"))

    assert [till.standing(payment)[0] for payment in payments] == ["paid"] * 4
    assert buckets(till) == ["matched"] * 4


def test_peer_10_a_storm_of_refusals(till: Till) -> None:
    payment = till.order()
    till.chain.mine(till.chain.transfer(payment.address, payment.pay_units.units))
    till.chain.down = True
    for _ in range(5):
        with pytest.raises(NodeUnavailable):
            till.scanner.scan_once()
    still_open = till.order("B").status
    till.chain.down = False
    till.hub.clock.advance(minutes=2)  # type: ignore[attr-defined]

    scan_stubbornly(till, till.scanner)

    assert (still_open, till.standing(payment)) == ("pending", ("paid", "none"))


def test_peer_11_ten_ten_and_ten_fifteen_open_together_with_a_tolerance(till: Till) -> None:
    till.set_policy(tolerance="0.02")
    one, other = till.order("A", "10.10"), till.order("B", "10.15")

    till.pay(other.address, other.pay_units.units - 15_000)
    till.pay(one.address, one.pay_units.units)

    assert (till.standing(other), till.standing(one)) == (("paid", "accepted"), ("paid", "none"))


def test_peer_12_no_float_comes_near_an_amount(till: Till) -> None:
    added = Usdt(parse_amount("0.1").due.units + parse_amount("0.2").due.units)
    with pytest.raises(TooManyDecimals):
        parse_amount("0.1000001")
    payment = till.order("A", "0.300001")

    transfer_id = till.pay(payment.address, payment.pay_units.units + 1)

    assert added == parse_amount("0.3").due
    assert till.bucket(transfer_id) == "unknown"


def test_peer_13_a_transaction_that_a_fork_removes(till: Till) -> None:
    payment = till.order()
    chain = till.chain
    lookahead = Lookahead(till.hub, chain.fleet(till.hub.clock))
    height = chain.mine(chain.transfer(payment.address, payment.pay_units.units), solid=False)
    lookahead.look_once()
    seen = till.standing(payment)[0]
    chain.head = height - 1
    chain.branch[height] = "ef"
    chain.mine(solid=False)
    chain.mine(solid=False)

    lookahead.look_once()
    chain.solid = chain.head
    till.scanner.scan_once()

    assert (seen, till.standing(payment), buckets(till)) == ("confirming", ("pending", "none"), [])


def test_peer_14_the_same_order_fifty_times_at_once(till: Till, database_url: str) -> None:
    till.order("WARM")

    def open_it(_: int) -> int:
        database = open_database(database_url)
        try:
            return make_payment(make_hub(database, clock=till.hub.clock), till.shop, order_id="RACE").id
        finally:
            database.dispose()

    with ThreadPoolExecutor(10) as threads:
        ids = set(threads.map(open_it, range(50)))

    with till.hub.database.snapshot() as session:
        held = session.scalar(select(func.count(Reservation.id)))
    assert (len(ids), held) == (1, 2)


def test_peer_15_slots_run_out_with_a_clear_refusal(till: Till) -> None:
    with till.hub.database.transaction() as session:
        full = [{"address_id": till.shop.address.id, "pay_units": Usdt(1_000_000 + tag), "from_height": 0,
                 "held_until": START + timedelta(days=1)} for tag in range(1, TAG_LIMIT + 1)]
        session.execute(insert(Reservation), full)

    with pytest.raises(NoFreeAmount) as refusal:
        till.order("A", "1.00")

    assert (refusal.value.http_status, refusal.value.retry_after_s) == (503, 60)


@pytest.mark.parametrize("bad", [
    Answer(500, b"no", 1), Answer(302, b"", 1), EgressFailed("timeout"), EgressFailed("no such name"),
], ids=["500", "redirect", "timeout", "dead-dns"])
def test_peer_16_a_webhook_that_fails_three_times_and_then_answers_html(till: Till, hub: Hub, bad: Answer) -> None:
    payment = make_payment(hub, till.shop, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)
    answers = [bad, bad, bad, Answer(200, b"<html>thank you</html>", 1)]
    hub.http.answer = lambda posted: answers.pop(0)  # type: ignore[attr-defined]

    for _ in range(4):
        for claim in claim_due(hub):
            attempt(hub, claim)
        hub.clock.advance(minutes=120)  # type: ignore[attr-defined]

    with hub.database.snapshot() as session:
        state, attempts = session.execute(select(Delivery.state, Delivery.attempts)).one()
    bodies = {posted.body for posted in hub.http.posted}  # type: ignore[attr-defined]
    assert (state, attempts, len(bodies)) == ("done", 4, 1)


def test_peer_17_expired_and_then_paid_late_reach_the_shop_in_their_order(till: Till) -> None:
    till.set_policy(late_accept_s=3600)
    payment = till.order()
    till.chain.skip_to(payment.expires_at + timedelta(minutes=5))
    till.scanner.scan_once()

    till.pay(payment.address, payment.pay_units.units)

    assert till.events(payment) == ["created", "expired", "paid", "accepted"]
    assert till.standing(payment) == ("paid", "accepted")

"""What happens to a payment is told through the adapter: by the outbox, one at a time, as patiently as it asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.channels import service
from core.clock import ManualClock
from core.contract import AdapterError, PushResult
from core.hub import Hub
from core.ids import Mode
from core.models import Alarm, Attempt, Delivery, Payment
from core.outbox import endpoints
from core.outbox.delivery import attempt, claim_due
from core.payments.controls import Scenario, simulate
from core.projects.service import get_project, set_mode
from core.testing.factories import make_payment
from core.testing.hubs import RecordingDoor
from tests.channels.kit import SECRET, Bench, add_channel, busy, make_bench, on_both
from tests.outbox.kit import drain


@pytest.fixture
def bench(hub: Hub) -> Bench:
    bench = make_bench(hub)
    with hub.database.transaction() as session:
        set_mode(get_project(session, bench.shop.project_id), Mode.TEST)
    return bench


def pay(bench: Bench, order: str = "A", scenario: Scenario = Scenario.COMPLETE) -> None:
    """Have the market place an order, and let its test payment end."""
    bench.platform.orders[order] = "50.00"
    bench.call("placed", order)
    bench.read()
    payment = next(one for one in bench.rows(Payment) if one.order_id == order)
    with bench.hub.database.transaction() as session:
        simulate(session, bench.hub, session.get_one(Payment, payment.id), scenario)


@on_both
def test_an_adapter_is_told_with_what_its_order_carried(bench: Bench) -> None:
    pay(bench)

    assert drain(bench.hub) == [True]
    [update] = bench.platform.updates
    assert (update.order_id, update.type, update.number, update.status) == ("A", "paid", 2, "paid")
    assert update.is_test and update.received == update.pay_amount and update.txids[0].startswith("test_")
    assert dict(update.details) == {"chat": "7"} and update.pay_url.startswith("https://hub.example/pay/?id=")
    assert [(one.error, one.answer_excerpt) for one in bench.rows(Attempt)] == [("", "done")]


def test_nothing_is_posted_where_an_adapter_pushes(bench: Bench) -> None:
    pay(bench)
    drain(bench.hub)

    assert isinstance(bench.hub.http, RecordingDoor) and bench.hub.http.posted == []


@on_both
def test_a_channel_hears_of_its_own_payments_alone_unless_it_hears_all(bench: Bench) -> None:
    add_channel(bench.hub, bench.shop, adapter="all")
    payment = make_payment(bench.hub, bench.shop, order_id="BY-API", mode=Mode.TEST)
    with bench.hub.database.transaction() as session:
        simulate(session, bench.hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)

    assert [one.endpoint_id for one in bench.rows(Delivery)] == [2]


@on_both
def test_what_one_payment_has_to_tell_goes_one_at_a_time(bench: Bench) -> None:
    pay(bench, scenario=Scenario.OVER)  # paid, and overpaid
    assert len(bench.rows(Delivery)) == 2

    first = claim_due(bench.hub)
    assert len(first) == 1 and claim_due(bench.hub) == []
    assert attempt(bench.hub, first[0])
    assert drain(bench.hub) == [True]
    assert [kind for _, _, kind in bench.platform.heard] == ["paid", "overpaid"]


def test_different_payments_are_told_beside_each_other(bench: Bench) -> None:
    pay(bench, "A")
    pay(bench, "B")

    assert len(claim_due(bench.hub)) == 2


def test_a_throttled_platform_is_left_alone_as_long_as_it_asks(bench: Bench, clock: ManualClock) -> None:
    pay(bench)
    bench.platform.fails = [busy(900.0)]

    assert drain(bench.hub) == [False]
    clock.advance(seconds=899)
    assert drain(bench.hub) == []
    clock.advance(seconds=2)
    assert drain(bench.hub) == [True]


def test_a_permanent_failure_ends_at_once_with_an_alarm_and_can_be_resent(bench: Bench) -> None:
    pay(bench)
    bench.platform.fails = [AdapterError("The shop is closed.", permanent=True)]

    assert drain(bench.hub) == [False]
    [delivery] = bench.rows(Delivery)
    assert (delivery.state, delivery.last_error) == ("failed", "The shop is closed.")
    assert [one.kind for one in bench.rows(Alarm)] == ["endpoint_failing", "channel_trouble"]


def test_a_platform_that_says_otherwise_is_a_case_for_a_human_and_not_for_a_retry(bench: Bench) -> None:
    pay(bench)
    bench.platform.result = PushResult.CONFLICT

    assert drain(bench.hub) == [True]
    [delivery], [alarm], [payment] = (bench.rows(one) for one in (Delivery, Alarm, Payment))
    said = (
        f"Order A at Our market (channel {bench.channel.uid}) is gone or does not go with payment {payment.payment_id} "
        f"(paid, {payment.pay_units.six_places()} USDT): look at it."
    )
    assert (delivery.state, delivery.last_error) == ("done", said)
    assert (alarm.kind, alarm.subject, alarm.sentence) == (
        "channel_conflict", f"{bench.channel.uid}:{payment.payment_id}", said
    )


@pytest.mark.parametrize("wrong", [ZeroDivisionError("bug"), "done"], ids=["raises", "gives-no-result"])
def test_a_plugins_bug_in_push_is_an_outcome_like_any_other_and_shown_at_its_channel(
    bench: Bench, clock: ManualClock, wrong: object
) -> None:
    pay(bench)
    if isinstance(wrong, Exception):
        bench.platform.fails = [wrong]
    else:
        bench.platform.result = wrong

    assert drain(bench.hub) == [False]
    [delivery] = bench.rows(Delivery)
    said = "The adapter market failed in push:"
    assert delivery.state == "due" and delivery.last_error.startswith(said)
    assert bench.row().trouble.startswith(f"Delivery 1 of order A fails: {said}")
    assert [one.kind for one in bench.rows(Alarm)] == ["channel_trouble"]

    bench.platform.result = PushResult.DONE
    clock.advance(seconds=3600)
    assert (drain(bench.hub), bench.row().trouble) == ([True], "")


def test_a_crash_in_mid_push_repeats_the_same_update(bench: Bench, clock: ManualClock) -> None:
    pay(bench)
    claim_due(bench.hub)  # and the process dies

    clock.advance(seconds=61)
    assert drain(bench.hub) == [True]
    assert bench.platform.heard == [("A", 2, "paid")]


@on_both
def test_a_paused_channel_is_told_afterwards(bench: Bench) -> None:
    with bench.hub.database.transaction() as session:
        channel = service.get_channel(session, bench.channel.uid)
        bench.platform.orders["A"] = "50.00"
    bench.call("placed", "A")
    bench.read()
    with bench.hub.database.transaction() as session:
        service.pause(session, bench.hub, service.get_channel(session, channel.uid))
        simulate(session, bench.hub, session.get_one(Payment, bench.rows(Payment)[0].id), Scenario.COMPLETE)
    assert drain(bench.hub) == []

    with bench.hub.database.transaction() as session:
        assert service.resume(session, bench.hub, service.get_channel(session, channel.uid)) == 1
    assert drain(bench.hub) == [True]
    assert bench.rows(Alarm)[0].cleared_at is not None


@on_both
def test_a_disconnected_channel_hears_nothing_and_keeps_no_secret(bench: Bench) -> None:
    with bench.hub.database.transaction() as session:
        service.disconnect(session, bench.hub, service.get_channel(session, bench.channel.uid))
    row = bench.row()

    assert SECRET not in bench.hub.vault.open(row.sealed, place=f"channel:{row.uid}:settings")
    assert bench.call("placed", "A").status_code == 404
    make_payment(bench.hub, bench.shop, order_id="LATER", mode=Mode.TEST)
    assert bench.rows(Delivery) == [] and bench.rows(Alarm)[0].cleared_at is not None


def test_a_ping_of_a_pushing_channel_asks_the_adapter(bench: Bench) -> None:
    with bench.hub.database.transaction() as session:
        endpoints.ping(session, bench.hub, service.get_channel(session, bench.channel.uid).endpoint)

    assert drain(bench.hub) == [True]
    assert [one.answer_excerpt for one in bench.rows(Attempt)] == ["The market knows us."]


def test_a_channel_with_a_webhook_url_gets_the_outboxs_signed_posts(hub: Hub) -> None:
    bench = make_bench(hub, adapter="all", webhook_url="https://shop.example.com/hook")
    payment = make_payment(hub, bench.shop, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)

    assert drain(hub) == [True]
    assert isinstance(hub.http, RecordingDoor)
    [posted] = hub.http.posted
    assert posted.url == "https://shop.example.com/hook" and "webhook-signature" in posted.headers
    assert bench.platform.updates == []


def test_a_check_is_written_down_and_troubles_end(bench: Bench) -> None:
    bench.platform.fails = [AdapterError("The token was revoked.")]

    assert service.check_channel(bench.hub, bench.channel.uid) == (False, "The token was revoked.")
    assert bench.row().trouble == "The token was revoked."
    assert service.check_channel(bench.hub, bench.channel.uid) == (True, "The market knows us.")
    assert (bench.row().trouble, bench.row().check_says) == ("", "The market knows us.")
    assert bench.rows(Alarm)[0].cleared_at is not None


def test_patience_with_a_platform_is_the_extended_schedule(bench: Bench, clock: ManualClock) -> None:
    pay(bench)
    bench.platform.fails = [busy()]

    drain(bench.hub)

    [delivery] = bench.rows(Delivery)
    assert timedelta(seconds=4) <= delivery.next_attempt_at - clock.now() <= timedelta(seconds=6)

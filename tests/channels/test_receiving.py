"""A platform's call at the door and in the job: authentic, once, in its own time, and never lost."""

from __future__ import annotations

import hmac
import json
import time

import pytest

from core.channels import receiving, service
from core.channels.reading import RETRY_S, again, claim_calls, read_call
from core.channels.registry import Registry
from core.clock import ManualClock
from core.contract import AdapterError, PlatformEvent
from core.hub import Hub
from core.ids import Mode
from core.models import Alarm, ChannelCall, ChannelPayment, Payment
from core.payments.controls import Scenario, simulate
from core.projects.service import get_project, set_mode
from tests.channels.kit import SECRET, Bench, Market, busy, make_bench, on_both
from workers.loops import Ticker


@pytest.fixture
def bench(hub: Hub) -> Bench:
    return make_bench(hub)


def test_a_call_is_kept_answered_and_read_by_the_job(bench: Bench) -> None:
    bench.platform.orders["A"] = "50.00"

    answer = bench.call("placed", "A", delivery="d1")

    assert (answer.status_code, answer.json) == (200, {"ok": True, "repeated": False})
    assert bench.payments() == []
    assert bench.read() == [True]
    assert bench.payments() == [("A", "50.00", "pending")]
    assert [(one.channel_id, one.details) for one in bench.rows(ChannelPayment)] == [(1, '{"chat": "7"}')]


@on_both
def test_nine_times_the_same_delivery_is_one_call(bench: Bench) -> None:
    bench.platform.orders["A"] = "50.00"

    answers = [bench.call("placed", "A", delivery="d1").json["repeated"] for _ in range(9)]

    assert answers == [False] + [True] * 8
    assert bench.read() == [True] and bench.read() == []


def test_a_platform_without_delivery_ids_is_known_by_its_bytes(bench: Bench) -> None:
    assert [bench.call("other", order).json["repeated"] for order in ("A", "A", "B")] == [False, True, False]


def test_a_bad_signature_leaves_no_trace(bench: Bench) -> None:
    answer = bench.call("placed", "A", secret="guessed")

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_signature")
    assert bench.rows(ChannelCall) == []


def test_what_was_shown_as_a_secret_is_not_kept(bench: Bench) -> None:
    body = json.dumps({"topic": "other", "order": "A"}).encode()
    bench.client.post(f"/channels/{bench.channel.uid}/hook", data=body, headers={
        "X-Market-Signature": hmac.digest(SECRET.encode(), body, "sha256").hex(), "Authorization": "Bearer s1",
        "X-Telegram-Bot-Api-Secret-Token": "s2", "Cookie": "a=s3", "X-Topic": "kept",
    })

    [call] = bench.rows(ChannelCall)
    kept = json.loads(call.headers)
    assert kept["x-topic"] == "kept" and not {"s1", "s2", "s3"} & set(" ".join(kept.values()).replace("=", " ").split())


def test_unknown_channels_too_large_calls_and_doubled_headers_are_refused(bench: Bench) -> None:
    url = f"/channels/{bench.channel.uid}/hook"

    assert bench.client.post("/channels/ch_nobody/hook").json["code"] == "channel_not_found"
    assert bench.client.post(url, data=b"x" * (256 * 1024 + 1)).json["code"] == "body_too_large"
    assert bench.client.post(f"{url}?a=1&a=2").json["code"] == "bad_parameter"
    assert bench.client.delete(url).status_code == 405


def test_an_unknown_topic_and_an_order_that_is_gone_are_done_without_effect(bench: Bench) -> None:
    bench.call("refunded", "A")
    bench.call("placed", "GONE")

    assert bench.read() == [True, True]
    assert bench.payments() == []


def test_what_cannot_be_understood_is_kept_with_its_reason(bench: Bench) -> None:
    bench.call("garbage", "A")

    assert bench.read() == [False]
    [call] = bench.rows(ChannelCall)
    assert (call.state, call.reason) == ("failed", "There is no order in it.")
    see = f"See paywharf channels calls {bench.channel.uid}."
    assert bench.row().trouble == f"Call 1 could not be used: There is no order in it. {see}"


@pytest.mark.parametrize("amount", ["abc", "0.0000001"])
def test_a_lost_order_is_named_until_its_call_is_read_or_somebody_has_seen_it(bench: Bench, amount: str) -> None:
    bench.platform.orders["A"] = amount
    bench.call("placed", "A", delivery="d-17")
    bench.read()

    service.check_channel(bench.hub, bench.channel.uid)

    assert bench.row().trouble.startswith("Call 1 (delivery d-17, order A) could not be used: ")
    bench.platform.orders["A"] = "50.00"
    with bench.hub.database.transaction() as session:
        again(session, bench.hub, session.get_one(ChannelCall, 1))
    assert (bench.read(), bench.row().trouble) == ([True], "")


@on_both
def test_a_busy_platform_is_asked_again_as_late_as_it_wants(bench: Bench, clock: ManualClock) -> None:
    bench.platform.orders["A"], bench.platform.fails = "50.00", [busy(), busy(600.0)]
    bench.call("placed", "A")

    assert bench.read() == [False]
    clock.advance(seconds=RETRY_S[0])
    assert bench.read() == [False]
    clock.advance(seconds=599)
    assert bench.read() == []
    clock.advance(seconds=2)
    assert bench.read() == [True]
    assert bench.payments() == [("A", "50.00", "pending")]


def test_patience_ends_and_says_so(bench: Bench, clock: ManualClock) -> None:
    bench.platform.fails = [ValueError("a bug of the plugin's")] * 20
    bench.call("placed", "A")
    for _ in range(len(RETRY_S) + 1):
        bench.read()
        clock.advance(seconds=RETRY_S[-1])

    [call] = bench.rows(ChannelCall)
    reason = "The adapter market failed in parse: ValueError: a bug of the plugin's"
    assert (call.state, call.reason) == ("failed", reason)
    assert [(one.subject, one.cleared_at is None) for one in bench.rows(Alarm)] == [
        (f"{bench.channel.uid}:reading", False), (f"{bench.channel.uid}:lost", True),
    ]


def test_a_permanent_refusal_is_not_tried_again(bench: Bench) -> None:
    bench.platform.fails = [AdapterError("The token was revoked.", permanent=True)]
    bench.call("placed", "A")

    assert bench.read() == [False]
    assert [one.state for one in bench.rows(ChannelCall)] == ["failed"]


@on_both
def test_a_crash_while_reading_costs_a_lease_and_makes_no_second_payment(bench: Bench, clock: ManualClock) -> None:
    bench.platform.orders["A"] = "50.00"
    bench.call("placed", "A")
    [lost] = claim_calls(bench.hub)
    assert claim_calls(bench.hub) == []

    clock.advance(seconds=61)
    assert bench.read() == [True]
    assert read_call(bench.hub, lost) is False  # whoever slept through the lease writes nothing
    assert len(bench.payments()) == 1


@on_both
def test_an_edited_order_closes_the_old_payment_and_opens_another(bench: Bench) -> None:
    bench.platform.orders["A"] = "50.00"
    bench.call("placed", "A", delivery="d1")
    bench.read()

    bench.platform.orders["A"] = "60.00"
    bench.call("placed", "A", delivery="d2")
    bench.read()

    assert bench.payments() == [("A", "50.00", "canceled"), ("A", "60.00", "pending")]


def test_an_order_edited_after_it_was_paid_is_left_to_a_human(bench: Bench) -> None:
    pay(bench, "A")
    bench.platform.orders["A"] = "60.00"
    bench.call("placed", "A", delivery="d2")

    assert bench.read() == [False]
    assert bench.payments() == [("A", "50.00", "paid")]
    assert "after money had come" in bench.row().trouble


def test_a_canceled_order_closes_its_payment(bench: Bench) -> None:
    bench.platform.orders["A"] = "50.00"
    bench.call("placed", "A")
    bench.call("canceled", "A")
    bench.read()

    assert bench.payments() == [("A", "50.00", "canceled")]


@on_both
def test_an_order_canceled_after_it_was_paid_stays_paid_and_raises_an_alarm(bench: Bench) -> None:
    pay(bench, "A")
    bench.call("canceled", "A")

    assert bench.read() == [True]
    assert bench.payments() == [("A", "50.00", "paid")]
    [alarm] = bench.rows(Alarm)
    assert alarm.kind == "channel_conflict" and "has money" in alarm.sentence


@on_both
def test_a_checkout_is_answered_with_the_payments_url(bench: Bench) -> None:
    bench.platform.orders["A"] = "50.00"

    answer = bench.call("placed", "A", path="checkout")
    again = bench.call("placed", "A", path="checkout")
    page = bench.call("placed", "A", path="checkout", accept="text/html")

    [payment] = answer.json["payments"]
    assert payment["order_id"] == "A" and payment["payment_url"].startswith("https://hub.example/pay/?id=")
    assert again.json == answer.json
    assert (page.status_code, page.headers["Location"]) == (303, payment["payment_url"])
    assert [call.state for call in bench.rows(ChannelCall)] == ["done"] and len(bench.payments()) == 1


def test_a_checkout_that_takes_too_long_is_asked_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(self: Market, request: object) -> list[PlatformEvent]:
        time.sleep(0.3)
        return []

    monkeypatch.setattr(Market, "parse", hang)
    monkeypatch.setattr(receiving, "BUDGET_S", 0.05)

    answer = bench.call("placed", "A", path="checkout")

    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "channel_busy", "5")


def test_a_paused_channel_keeps_its_calls_and_reads_them_later(bench: Bench) -> None:
    bench.platform.orders["A"] = "50.00"
    with bench.hub.database.transaction() as session:
        service.pause(session, bench.hub, service.get_channel(session, bench.channel.uid))
    assert bench.call("placed", "A").status_code == 200
    assert bench.call("placed", "A", path="checkout").json["code"] == "channel_unavailable"
    assert bench.read() == []

    with bench.hub.database.transaction() as session:
        service.resume(session, bench.hub, service.get_channel(session, bench.channel.uid))
    bench.hub.clock.advance(seconds=61)  # type: ignore[attr-defined]
    assert bench.read() == [True]
    assert bench.payments() == [("A", "50.00", "pending")]


@on_both
def test_a_call_is_forgotten_ninety_days_after_it_ended_and_never_while_it_waits(
    bench: Bench, clock: ManualClock
) -> None:
    bench.platform.orders["A"] = "50.00"
    for topic, order in (("placed", "A"), ("garbage", "B"), ("placed", "C")):
        bench.call(topic, order, delivery=order)
    bench.read()
    with bench.hub.database.transaction() as session:
        session.query(ChannelCall).filter_by(delivery_key="id:C").update({"state": "due", "done_at": None})
    clock.advance(minutes=90 * 24 * 60)
    assert bench.call("placed", "A", delivery="A").json["repeated"], "a replay is known to the last"
    Ticker(bench.hub).step()
    assert len(bench.rows(ChannelCall)) == 3

    clock.advance(seconds=1)
    Ticker(bench.hub).step()

    assert [one.delivery_key for one in bench.rows(ChannelCall)] == ["id:C"]
    assert bench.payments() == [("A", "50.00", "pending")]


def test_a_call_for_an_adapter_that_is_gone_is_sent_again_by_the_platform(bench: Bench) -> None:
    bench.hub.registry = Registry()

    answer = bench.call("placed", "A")

    assert (answer.status_code, answer.json["code"]) == (503, "channel_unavailable")


def test_a_plugin_that_was_away_is_no_trouble_once_it_is_back(bench: Bench) -> None:
    bench.platform.orders["A"] = "50.00"
    bench.call("placed", "A")
    present, bench.hub.registry = bench.hub.registry, Registry()

    service.check_channel(bench.hub, bench.channel.uid)
    assert bench.row().trouble.startswith("No plugin here brings the adapter 'market'")
    bench.hub.registry = present

    assert (bench.read(), bench.row().trouble) == ([True], "")


@pytest.mark.parametrize("what", ["verify", "answers_inline"])
def test_a_plugins_bug_at_the_door_is_no_500(bench: Bench, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Market, what, lambda self, request: [][0])

    answer = bench.call("placed", "A")

    assert (answer.status_code, answer.json["code"]) == (503, "channel_unavailable")
    assert f"failed in {what}: IndexError" in answer.json["error"]


def pay(bench: Bench, order: str) -> None:
    """Have a test order placed and paid."""
    with bench.hub.database.transaction() as session:
        set_mode(get_project(session, bench.shop.project_id), Mode.TEST)
    bench.platform.orders[order] = "50.00"
    bench.call("placed", order)
    bench.read()
    [payment] = bench.rows(Payment)
    with bench.hub.database.transaction() as session:
        simulate(session, bench.hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)

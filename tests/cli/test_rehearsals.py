"""`trigger` and `test-clock`: what a payment can meet, tried without a coin and without waiting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from core.cli import main
from core.cli.rehearsals import SCENARIOS
from core.cli.roof import Roof
from core.hub import Hub
from core.models import Attempt, Delivery, Event, Payment
from core.outbox.delivery import attempt, claim_due
from core.testing.factories import Shop, make_shop


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


def run(hub: Hub, *arguments: str) -> tuple[int, Any]:
    roof = Roof()
    roof.__dict__.update(settings=hub.settings, bare_hub=hub)
    result = CliRunner().invoke(main, [*arguments, "--json"], obj=roof)
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith(("{", "[")) else result.output


ENDS = {
    "exact": ("paid", "none"), "under": ("pending", "underpaid"), "over": ("paid", "overpaid"),
    "late": ("expired", "late"), "duplicate": ("paid", "duplicate"), "fail": ("canceled", "none"),
    "expire": ("expired", "none"), "webhook-500": ("paid", "none"),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_triggered_payment_is_a_test_payment_that_meets_what_was_asked(hub: Hub, shop: Shop, scenario: str):
    code, shown = run(hub, "trigger", scenario, "--project", str(shop.project_id), "--amount", "12.50")

    assert (code, shown["is_test"], shown["amount"]) == (0, True, "12.50")
    assert (shown["status"], shown["anomaly"]) == ENDS[scenario]


def test_a_triggered_payment_is_told_to_the_webhook(hub: Hub, shop: Shop):
    run(hub, "trigger", "exact", "--project", str(shop.project_id))

    with hub.database.snapshot() as session:
        told = session.query(Event.type).join(Delivery, Delivery.event_id == Event.id).all()
    assert [kind for kind, in told] == ["payment.paid"]


def test_a_test_clock_expires_a_payment_without_waiting(hub: Hub, shop: Shop):
    project = str(shop.project_id)
    _, first = run(hub, "test-clock", "advance", project, "1s")
    run(hub, "trigger", "under", "--project", project, "--order-id", "SLOW")

    _, moved = run(hub, "test-clock", "advance", project, "31m")
    _, released = run(hub, "test-clock", "release", project)

    with hub.database.snapshot() as session:
        statuses = session.query(Payment.status).all()
    assert (first["closed"], moved["closed"], released["test_now"], statuses) == (0, 1, None, [("expired",)])


@pytest.mark.parametrize("span", ["", "30", "-1m", "1.5h", "1y"])
def test_a_span_that_is_none_is_refused(hub: Hub, shop: Shop, span: str):
    assert run(hub, "test-clock", "advance", str(shop.project_id), span)[0] == 2


def test_a_failing_endpoint_is_rehearsed_and_then_the_schedule_has_it(hub: Hub, shop: Shop):
    code, shown = run(hub, "trigger", "webhook-500", "--project", str(shop.project_id))
    at_once = claim_due(hub)
    hub.clock.advance(minutes=5)  # type: ignore[attr-defined]

    [claim] = claim_due(hub)

    assert (code, at_once, hub.http.posted) == (0, [], [])  # type: ignore[attr-defined]
    assert [(one["state"], one["failures"], one["last_error"]) for one in shown["deliveries"]] == [
        ("due", 1, "HTTP 500")
    ]
    assert attempt(hub, claim)
    with hub.database.snapshot() as session:
        tries = session.query(Attempt.number, Attempt.http_status, Delivery.state).join(
            Delivery, Delivery.id == Attempt.delivery_id
        ).order_by(Attempt.number).all()
    assert [tuple(one) for one in tries] == [(1, 500, "done"), (2, 200, "done")]


def test_without_an_endpoint_there_is_none_that_can_fail(hub: Hub):
    shop = make_shop(hub, webhook_url=None)

    code, _ = run(hub, "trigger", "webhook-500", "--project", str(shop.project_id))

    with hub.database.snapshot() as session:
        assert (code, session.query(Payment).count()) == (1, 0)

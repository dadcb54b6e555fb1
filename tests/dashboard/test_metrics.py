"""O1, O3, O4: figures that are right, cheap, not for strangers, and the ones that alerts and dashboard name."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from flask import Flask
from sqlalchemy import update

from core.app import create_app
from core.chain.scanner import Scanner
from core.dashboard.metrics import gauges
from core.dashboard.vitals import Vitals
from core.figures import Figures
from core.hub import Hub
from core.ids import Mode
from core.models import Cursor, Delivery, Payment
from core.payments.controls import Scenario, simulate
from core.testing.chains import FakeChain
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT
from tests.outbox.kit import drain
from tests.statements import recorded

DEPLOY = Path(__file__).parent.parent.parent / "workers" / "deploy"


def figures(app: Flask, **options: object) -> dict[str, float]:
    """Scrape, and read each line's name and value."""
    answer = app.test_client().get("/metrics", **options)  # type: ignore[arg-type]
    assert answer.status_code == 200
    return {name: float(value) for name, value in re.findall(r"^(paywharf\S+) (\S+)$", answer.text, re.MULTILINE)}


def watch(hub: Hub, **columns: object) -> None:
    """Write a cursor as a watcher leaves it, changed by what is given."""
    usual = {"height": 90, "solid_height": 90, "block_time": START, "leased_until": START + timedelta(seconds=10)}
    with hub.database.transaction() as session:
        session.add(Cursor(genesis_id="g", network="devnet", updated_at=START, **usual | columns))


def test_a_watcher_that_is_behind_shows(app: Flask, hub: Hub):
    watch(hub, height=80, block_time=START - timedelta(seconds=300))

    found = figures(app)

    assert (found["paywharf_watcher_lag_blocks"], found["paywharf_watcher_lag_seconds"]) == (10, 300)
    assert (found["paywharf_watcher_running"], found["paywharf_watcher_frozen"]) == (1, 0)


def test_before_the_first_start_there_is_no_lag_to_show(app: Flask):
    assert "paywharf_watcher_lag_seconds" not in figures(app)


def test_o4_one_stuck_delivery_raises_the_age_of_the_oldest(app: Flask, hub: Hub, clock):
    shop = make_shop(hub)
    payment = make_payment(hub, shop, mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, payment.id), Scenario.COMPLETE)
    clock.advance(seconds=500)

    found = figures(app)

    assert (found["paywharf_outbox_due"], found["paywharf_outbox_oldest_seconds"]) == (1, 500)
    with hub.database.transaction() as session:
        session.execute(update(Delivery).values(state="done"))
    assert figures(app)["paywharf_outbox_oldest_seconds"] == 0


def test_o3_a_scrape_costs_a_fixed_number_of_statements(app: Flask, hub: Hub):
    with recorded(hub.database.engine) as seen:
        figures(app)

    assert len([one for one in seen.statements if one.verb == "SELECT"]) == 6


def test_o1_strangers_see_no_figures_and_no_reasons(app: Flask, hub: Hub):
    client, through_a_proxy = app.test_client(), {"X-Forwarded-For": "203.0.113.9"}

    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 404
    assert client.get("/metrics", headers=through_a_proxy).status_code == 404
    assert client.get("/readyz", headers=through_a_proxy).json == {"ok": True, "state": "degraded"}


def test_with_a_token_only_the_token_counts(hub: Hub):
    hub.settings = replace(hub.settings, metrics_token="mtk_1")
    app = create_app(hub=hub)

    assert app.test_client().get("/metrics").status_code == 404
    assert app.test_client().get("/metrics", headers={"Authorization": "Bearer other"}).status_code == 404
    assert figures(app, headers={"Authorization": "Bearer mtk_1"}, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert "mtk_1" not in repr(hub.settings)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, None),
        ({"leased_until": START}, "No watcher runs."),
        ({"block_time": START - timedelta(seconds=121)}, "The last block read is 121 seconds old."),
        ({"frozen_at": START, "frozen_why": "x"}, "The watcher is frozen: look at `paywharf alarms`."),
        ({"frozen_at": START, "leased_until": START}, "The watcher is frozen: look at `paywharf alarms`."),
    ],
)
def test_e5_a_watcher_in_trouble_degrades_but_takes_orders(app: Flask, hub: Hub, columns, reason):
    watch(hub, **columns)

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 200
    assert answer.json == {
        "ok": True, "state": "degraded" if reason else "ready", "reasons": [reason] if reason else [],
    }


GAUGES = {gauge.name for gauge in gauges(Vitals(None, 0, 0.0, 0, 0))}
KNOWN = GAUGES | Figures().names()


def test_the_alert_rules_are_well_formed_and_name_only_metrics_that_are_there():
    [group] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    named = {name for rule in group["rules"] for name in re.findall(r"paywharf_\w+", rule["expr"])}

    assert group["name"] == "paywharf"
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) >= 10
    for rule in group["rules"]:
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".") or rule["annotations"]["summary"].endswith("?")
        assert rule["expr"].count("(") == rule["expr"].count(")")
    assert named and named <= KNOWN


def test_the_dashboard_draws_every_metric_and_no_other():
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    drawn = {name for text in expressions for name in re.findall(r"paywharf_\w+", text)}

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert drawn <= KNOWN
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in KNOWN - drawn} - {
        re.sub(r"_(bucket|count|sum)$", "", name) for name in drawn
    } == {"paywharf_watcher_height"}


def test_each_answer_is_counted_by_its_route(app: Flask, hub: Hub):
    payment = make_payment(hub, make_shop(hub))
    client = app.test_client()
    client.get("/pay/", query_string={"id": payment.payment_id, "t": payment.page_token})
    client.get(f"/nowhere/{payment.page_token}")
    client.open("/healthz", method="BREW")

    text = client.get("/metrics").text

    assert 'paywharf_http_request_seconds_count{method="GET",route="/pay/",status="2xx"} 1.0' in text
    assert 'paywharf_http_request_seconds_count{method="GET",route="none",status="4xx"} 1.0' in text
    assert 'paywharf_http_request_seconds_count{method="other",route="none",status="4xx"} 1.0' in text
    assert payment.page_token not in text


def test_n9_the_way_from_block_to_webhook_is_timed(app: Flask, hub: Hub, clock):
    shop, chain = make_shop(hub), FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(3)
    scanner = Scanner(hub, chain.fleet(clock), holder="fake")
    scanner.scan_once()
    payment = make_payment(hub, shop)
    height = chain.mine(chain.transfer(payment.address, payment.pay_units.units))
    clock.advance(seconds=(chain.time_of(height) - clock.now()).total_seconds() + 58)
    scanner.scan_once()
    clock.advance(seconds=2)
    drain(hub)

    found = figures(app)

    assert found["paywharf_block_to_record_seconds_sum"] == 58
    assert found["paywharf_event_to_webhook_seconds_sum"] == pytest.approx(2, abs=0.01)
    assert found['paywharf_webhook_attempt_seconds_count{result="2xx"}'] == 1

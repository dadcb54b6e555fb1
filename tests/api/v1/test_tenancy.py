"""TN1: whatever the URL map holds, another's things read like missing ones, and lists show one's own alone."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from core.channels.registry import Registry
from core.hub import Hub
from core.testing.factories import Shop
from core.testing.v1_merchant import V1Client
from tests.api.v1.conftest import Chain
from tests.api.v1.test_events import deliver, played
from tests.channels.kit import SECRET, Market

BODIES = {
    "simulate_payment": {"scenario": "complete"}, "attach_transfer": {"payment_id": 1}, "accept_transfer": {},
    "mark_transfer_refunded": {}, "ignore_transfer": {},
    "change_channel_settings": {"settings": {}}, "trace_channel": {"on": True},
    "request_refund": {}, "refund_payment": {}, "name_refund_transaction": {"txid": "ab" * 32}, "cancel_refund": {},
}
OPEN_TO_ALL = {"v1.openapi"}  # no key needed, nothing of anybody's in it


@pytest.fixture
def things(hub: Hub, shop: Shop, live: V1Client, test: V1Client, chain: Chain) -> dict[str, list[str]]:
    """A shop with one of everything, in both modes; gives the ids by the name they have in paths."""
    assert shop.address is not None
    payment = live.post("/payments", {"order_id": "A", "amount": "5.00"}).json["payment"]
    chain.pay(payment["address"], payment["pay_amount"])
    chain.pay(shop.address.base58, "3.000000")
    tested = played(test, "A")
    deliver(hub)
    clients, inbox = (live, test), live.get("/inbox").json["inbox"]
    refund = live.post(f"/inbox/{inbox[0]['transfer_id']}/refund", {}).json["refund"]
    hub.registry = Registry(adapters={Market.name: Market})
    channel = live.post("/channels", {"adapter": "market", "name": "M", "settings": {"secret": SECRET}}).json["channel"]
    return {
        "payment_id": [str(payment["payment_id"]), str(tested)],
        "event_id": [one["event_id"] for client in clients for one in client.get("/events").json["events"]],
        "delivery_id": [
            str(one["delivery_id"]) for client in clients for one in client.get("/deliveries").json["deliveries"]
        ],
        "transfer_id": [str(one["transfer_id"]) for one in inbox] + ["1"],
        "channel_id": [channel["channel_id"]],
        "refund_id": [str(refund["refund_id"])],
    }


def rules(app: Flask) -> list[tuple[str, str, str]]:
    """List every operation of the URL map: endpoint, method, path below /api/v1."""
    return [
        (rule.endpoint, method, rule.rule.removeprefix("/api/v1"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("v1.") and rule.endpoint not in OPEN_TO_ALL
    ]


def test_anothers_things_read_like_missing_ones(app: Flask, things: dict[str, list[str]], stranger: V1Client):
    found, probes = [], 0
    for endpoint, method, path in rules(app):
        for name in re.findall(r"<(\w+)>", path):
            body = BODIES.get(endpoint.removeprefix("v1."), b"")
            send = stranger.get if method == "GET" else lambda at, sent=body: stranger.post(at, sent)
            missing = {send(path.replace(f"<{name}>", number)).data for number in ("999999", "evt_x")}
            theirs = {send(path.replace(f"<{name}>", thing)).data for thing in things[name]}
            probes += len(things[name])
            if len(missing) != 1 or theirs != missing or b"_not_found" not in next(iter(missing)):
                found.append((endpoint, missing, theirs))

    assert (found, probes >= 20) == ([], True)


def test_a_key_of_the_other_mode_is_a_stranger_too(app: Flask, things: dict[str, list[str]], live: V1Client,
                                                   test: V1Client):  # TN6
    both = [
        (path, client.key[:7]) for _, method, path in rules(app) if method == "GET"
        for name in re.findall(r"<(\w+)>", path) for thing in things[name]
        for client in (live, test)
        if len({one.get(path.replace(f"<{name}>", thing)).status_code for one in (live, test)}) != 2
        and (name, thing) != ("transfer_id", "1")
    ]

    assert both == []


def test_lists_show_ones_own_alone(app: Flask, things: dict[str, list[str]], stranger: V1Client, neighbour: Shop):
    shown = {}
    for endpoint, method, path in rules(app):
        if method == "GET" and "<" not in path and endpoint != "v1.get_payment_of_order":
            shown[endpoint] = {
                name: value for name, value in stranger.get(path).json.items() if isinstance(value, list | dict)
            }

    assert neighbour.address is not None
    assert [one["address"] for one in shown.pop("v1.list_addresses")["addresses"]] == [neighbour.address.base58]
    assert set(shown.pop("v1.get_balance")["balance"].values()) == {"0.000000"}
    assert {endpoint: lists for endpoint, lists in shown.items() if any(lists.values()) or not lists} == {}
    assert len(shown) >= 5
    assert stranger.get("/payments/by-order?order_id=A").status_code == 404


def test_without_a_signature_nothing_is_answered(app: Flask):  # A5
    client = app.test_client()
    answers = {
        (endpoint, client.open(f"/api/v1{re.sub('<.*?>', '1', path)}", method=method).status_code)
        for endpoint, method, path in rules(app)
    }

    assert {status for _, status in answers} == {401}
    assert len(answers) >= 20

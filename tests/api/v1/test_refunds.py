"""Refunds over /api/v1 and the command line: link, address, transaction, proof; and what is refused."""

from __future__ import annotations

import json

import pytest

from core.chain.tracing import Tracer
from core.hub import Hub
from core.payments import refunds
from core.testing.factories import Shop
from core.testing.v1_merchant import V1Client
from tests.api.v1.conftest import Chain
from tests.api.v1.test_auth import refusal
from tests.cli.conftest import Ask, Run, ask, roof, run  # noqa: F401  fixtures

BUYER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def transfer_id(live: V1Client, shop: Shop, chain: Chain) -> int:
    assert shop.address is not None
    chain.pay(shop.address.base58, "7.000000")
    number: int = live.get("/inbox").json["inbox"][0]["transfer_id"]
    return number


def pay_back(chain: Chain, units: int = 7_000_000) -> str:
    info = chain._chain.transfer(BUYER, units)
    chain._chain.mine(info)
    chain._scanner.scan_once()
    return info.id


def look(hub: Hub, chain: Chain) -> None:
    Tracer(hub, chain._chain.fleet(hub.clock)).step()


def leave_address(hub: Hub, claim_url: str) -> None:
    with hub.database.transaction() as session:
        refunds.give_address(session, hub, refunds.by_token(session, claim_url.partition("?t=")[2]), BUYER)


def test_a_refund_from_its_link_to_its_proof(hub: Hub, live: V1Client, chain: Chain, transfer_id: int) -> None:
    made = live.post(f"/inbox/{transfer_id}/refund", {"note": "came late", "days": 3})
    refund = made.json["refund"]
    leave_address(hub, refund["claim_url"])
    asked = live.get(f"/refunds/{refund['refund_id']}").json["refund"]
    sent = live.post(f"/refunds/{refund['refund_id']}/sent", {"txid": pay_back(chain)}).json["refund"]
    look(hub, chain)

    done = live.get(f"/refunds/{refund['refund_id']}").json["refund"]

    assert made.status_code == 201 and refund["claim_url"].startswith("https://hub.example/refund/?t=")
    assert (asked["state"], asked["recipient"], asked["claim_url"]) == ("addressed", BUYER, None)
    assert (sent["state"], done["state"], done["reason"]) == ("verifying", "verified", "")
    assert [step["actor"] for step in done["steps"]] == [f"api:{live.key}", "payer", f"api:{live.key}", "chain"]
    assert live.get("/inbox").json["inbox"] == [] == live.get("/refunds").json["refunds"]
    assert live.get(f"/inbox/{transfer_id}").json["transfer"]["resolution"] == "refunded"


def test_a_transaction_instead_of_a_word_is_verified(
    hub: Hub, live: V1Client, chain: Chain, transfer_id: int
) -> None:
    body = {"refund_txid": f"https://tronscan.org/#/transaction/{pay_back(chain, 6_999_999)}", "recipient": BUYER}
    shown = live.post(f"/inbox/{transfer_id}/refunded", body).json["transfer"]
    look(hub, chain)

    [refund] = live.get("/refunds").json["refunds"]

    assert shown["resolution"] is None
    assert (refund["state"], refund["reason"]) == ("failed", "The transaction sent less than is to be refunded.")


def test_what_cannot_be_done_is_refused(
    live: V1Client, test: V1Client, stranger: V1Client, transfer_id: int
) -> None:
    refund_id = live.post(f"/inbox/{transfer_id}/refund", {}).json["refund"]["refund_id"]
    path = f"/refunds/{refund_id}"

    assert refusal(live.post(f"/inbox/{transfer_id}/refund", {})) == (409, "refund_underway")
    assert refusal(live.post(f"/inbox/{transfer_id}/ignore", {})) == (409, "refund_underway")
    assert refusal(live.post(f"{path}/sent", {"txid": "ab" * 32})) == (409, "refund_closed")
    assert refusal(live.post(f"{path}/sent", {"txid": "x"})) == (422, "invalid_txid")
    assert {refusal(client.get(path)) for client in (test, stranger)} == {(404, "refund_not_found")}
    assert refusal(stranger.post(f"{path}/cancel", {})) == (404, "refund_not_found")
    assert refusal(live.get("/refunds/0")) == (404, "refund_not_found")
    assert live.post(f"{path}/cancel", {"note": "sold after all"}).json["refund"]["state"] == "canceled"


def test_the_commands_walk_the_same_way(
    hub: Hub, chain: Chain, transfer_id: int, run: Run, ask: Ask  # noqa: F811
) -> None:
    made = ask("refund", "request", str(transfer_id), "--note", "came late")
    leave_address(hub, made["claim_url"])
    listed = ask("refund", "list")
    sent = ask("refund", "sent", str(made["refund_id"]), pay_back(chain))
    look(hub, chain)

    shown = ask("refund", "show", str(made["refund_id"]))

    assert [one["recipient"] for one in listed] == [BUYER]
    assert (sent["state"], shown["state"]) == ("verifying", "verified")
    assert made["claim_url"] not in run("refund", "show", str(made["refund_id"])).stdout
    assert ask("inbox", "show", str(transfer_id))["resolution"] == "refunded"


def test_the_commands_cancel_and_verify_what_was_paid_already(
    chain: Chain, transfer_id: int, run: Run, ask: Ask  # noqa: F811
) -> None:
    made = ask("refund", "request", str(transfer_id))
    assert ask("refund", "cancel", str(made["refund_id"]))["state"] == "canceled"

    begun = ask("inbox", "refunded", str(transfer_id), "--txid", pay_back(chain), "--to", BUYER)

    assert begun["state"] == "verifying"
    assert run("refund", "cancel", str(begun["refund_id"])).exit_code == 1


def test_what_paid_an_order_goes_back_in_parts(hub: Hub, live: V1Client, chain: Chain) -> None:
    paid = live.post("/payments", {"order_id": "A", "amount": "50.00"}).json["payment"]
    chain.pay(paid["address"], paid["pay_amount"])
    path = f"/payments/{paid['payment_id']}"
    part = live.post(f"{path}/refund", {"amount": "20.00", "note": "one ticket back"}).json["refund"]
    rest = live.post(f"{path}/refund", {"amount": "20", "txid": pay_back(chain, 20_000_000), "recipient": BUYER})
    assert refusal(live.post(f"{path}/refund", {"amount": "11"})) == (409, "refund_too_large")
    leave_address(hub, part["claim_url"])
    live.post(f"/refunds/{part['refund_id']}/sent", {"txid": pay_back(chain, 20_000_000)})
    look(hub, chain)

    shown, balance = live.get(f"{path}/refunds").json, live.get("/balance").json["balance"]

    left = f"{float(paid['pay_amount']) - 40:.6f}"
    assert (part["payment_id"], part["transfer_id"], part["amount"]) == (paid["payment_id"], None, "20.000000")
    assert (rest.status_code, rest.json["refund"]["claim_url"]) == (201, None)
    assert [one["state"] for one in shown["refunds"]] == ["verified", "verified"]
    assert (shown["received"], shown["refunded"], shown["refundable"]) == (paid["pay_amount"], "40.000000", left)
    assert (balance["received"], balance["refunded"], balance["balance"]) == (paid["pay_amount"], "40.000000", left)
    assert [(line["account"], line["amount"]) for line in live.get("/journal").json["entries"]][:2] == [
        ("returned", "-20.000000"), ("returned", "-20.000000"),
    ]
    told = [event for event in live.get("/events").json["events"] if event["type"] == "refund.verified"]
    assert {json.loads(event["webhook_body"])["refund"]["refund_id"] for event in told} == {
        one["refund_id"] for one in shown["refunds"]
    }
    assert live.get(path).json["payment"]["status"] == "paid"


def test_a_refund_of_a_payment_is_refused_where_nothing_is_left_or_it_is_anothers(
    live: V1Client, test: V1Client, stranger: V1Client, chain: Chain
) -> None:
    payment = live.post("/payments", {"order_id": "A", "amount": "5.00"}).json["payment"]
    tested = test.post("/payments", {"order_id": "A", "amount": "5.00"}).json["payment"]
    test.post(f"/payments/{tested['payment_id']}/simulate", {"scenario": "complete"})
    path = f"/payments/{payment['payment_id']}/refund"

    assert refusal(live.post(path, {})) == (409, "refund_too_large")
    assert refusal(test.post(f"/payments/{tested['payment_id']}/refund", {})) == (409, "refund_too_large")
    assert refusal(stranger.post(path, {})) == (404, "payment_not_found")
    chain.pay(payment["address"], payment["pay_amount"])
    for amount, code in (("0", "amount_not_positive"), ("1e1", "invalid_amount"), ("0.0000001", "too_many_decimals")):
        assert refusal(live.post(path, {"amount": amount})) == (422, code)
    made = live.post(path, {}).json["refund"]
    assert made["amount"] == payment["pay_amount"]
    assert refusal(stranger.get(f"/refunds/{made['refund_id']}")) == (404, "refund_not_found")
    assert [one["refund_id"] for one in live.get("/refunds").json["refunds"]] == [made["refund_id"]]
    assert live.post(f"/refunds/{made['refund_id']}/cancel", {}).json["refund"]["state"] == "canceled"


def test_the_commands_refund_what_paid_an_order(
    hub: Hub, live: V1Client, chain: Chain, run: Run, ask: Ask  # noqa: F811
) -> None:
    paid = live.post("/payments", {"order_id": "A", "amount": "50.00"}).json["payment"]
    chain.pay(paid["address"], paid["pay_amount"])
    number = str(paid["payment_id"])
    made = ask("refund", "payment", number, "--amount", "12.5")
    begun = ask("refund", "payment", number, "--amount", "1", "--txid", pay_back(chain, 1_000_000), "--to", BUYER)
    look(hub, chain)

    assert (made["amount"], made["claim_url"][:27]) == ("12.500000", "https://hub.example/refund/")
    assert [one["state"] for one in ask("refund", "list", "--payment", number)] == ["requested", "verified"]
    assert ask("balance", "1")["refunded"] == "1.000000"
    assert run("refund", "payment", number, "--amount", "40").exit_code == 1
    assert begun["state"] == "verifying"

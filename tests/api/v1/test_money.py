"""Transfers, the inbox and its decisions, balance, journal, addresses."""

from __future__ import annotations

from core.hub import Hub
from core.models import InboxAct
from core.testing.factories import Shop, add_fresh_address
from core.projects import service
from core.testing.v1_merchant import V1Client
from sqlalchemy import select
from tests.api.v1.conftest import Chain
from tests.api.v1.test_auth import refusal

ZERO = dict.fromkeys(("received", "refunded", "balance", "own", "held", "withdrawable"), "0.000000")


def order(client: V1Client, order_id: str = "A", amount: str = "50.00") -> dict:
    payment: dict = client.post("/payments", {"order_id": order_id, "amount": amount}).json["payment"]
    return payment


def waiting(client: V1Client) -> list[tuple[str, str, str | None]]:
    return [(one["amount"], one["bucket"], one["order_id"]) for one in client.get("/inbox").json["inbox"]]


def test_transfers_are_listed_the_newest_first_and_only_the_projects(
    live: V1Client, test: V1Client, chain: Chain, hub: Hub
):
    paid = [order(live, name) for name in ("A", "B", "C")]
    for payment in paid:
        chain.pay(payment["address"], payment["pay_amount"])
    chain.pay(paid[0]["address"], "3.000000")  # fits none: in the inbox, and not among these

    first = live.get("/transfers?limit=2").json
    rest = live.get(f"/transfers?limit=2&cursor={first['next_cursor']}").json

    assert [one["order_id"] for one in first["transfers"] + rest["transfers"]] == ["C", "B", "A"]
    assert (rest["next_cursor"], test.get("/transfers").json["transfers"]) == (None, [])
    strange = live.get("/transfers?cursor=aToxOjI")
    assert (strange.status_code, strange.json["code"]) == (400, "invalid_cursor")


def test_an_attached_transfer_is_the_projects_from_then_on(live: V1Client, chain: Chain):
    payment = order(live)
    chain.pay(payment["address"], "61.000000")
    entry = live.get("/inbox").json["inbox"][0]
    assert live.get("/transfers").json["transfers"] == []

    live.post(f"/inbox/{entry['transfer_id']}/attach", {"payment_id": payment["payment_id"]})

    assert [one["amount"] for one in live.get("/transfers").json["transfers"]] == ["61.000000"]


def test_a_paid_payment_shows_its_transfer_and_counts_in_the_balance(live: V1Client, test: V1Client, chain: Chain):
    payment = order(live)
    chain.pay(payment["address"], payment["pay_amount"])

    transfers = live.get(f"/payments/{payment['payment_id']}/transfers").json["transfers"]
    balance, lines = live.get("/balance").json["balance"], live.get("/journal").json["entries"]

    paid = live.get(f"/payments/{payment['payment_id']}").json["payment"]
    assert [(one["txid"], one["amount"], one["bucket"]) for one in transfers] == [
        (paid["txid"], payment["pay_amount"], "matched")
    ]
    assert balance == ZERO | dict.fromkeys(("received", "balance", "own"), payment["pay_amount"])
    assert [(one["account"], one["amount"]) for one in lines] == [("own", payment["pay_amount"])]
    assert (test.get("/balance").json["balance"], test.get("/journal").json["entries"]) == (ZERO, [])


def test_unknown_money_is_attached_to_the_order_it_was_meant_for(hub: Hub, live: V1Client, chain: Chain):
    payment = order(live)
    chain.pay(payment["address"], "49.000000")
    entry = live.get("/inbox").json["inbox"][0]

    shown = live.get(f"/inbox/{entry['transfer_id']}").json["transfer"]
    attached = live.post(
        f"/inbox/{entry['transfer_id']}/attach", {"payment_id": payment["payment_id"], "note": "exchange fee"}
    ).json["transfer"]
    accepted = live.post(f"/inbox/{entry['transfer_id']}/accept", {"note": "good enough"}).json["transfer"]

    assert [one["order_id"] for one in shown["candidates"]] == ["A"]
    assert shown["candidates"][0]["off_amount"].startswith("-1.")
    assert (attached["bucket"], attached["order_id"]) == ("underpaid", "A")
    assert (accepted["bucket"], accepted["resolution"], accepted["open_amount"]) == ("matched", "accepted", "0.000000")
    assert live.get(f"/payments/{payment['payment_id']}").json["payment"]["status"] == "paid"
    assert waiting(live) == []
    with hub.database.snapshot() as session:
        acts = session.execute(select(InboxAct.actor, InboxAct.note).order_by(InboxAct.id)).all()
    assert [tuple(act) for act in acts] == [(f"api:{live.key}", "exchange fee"), (f"api:{live.key}", "good enough")]


def test_money_is_marked_refunded_or_put_aside_once(live: V1Client, shop: Shop, chain: Chain):
    assert shop.address is not None
    for amount in ("7.000000", "8.000000"):
        chain.pay(shop.address.base58, amount)
    first, second = (one["transfer_id"] for one in live.get("/inbox").json["inbox"])

    refunded = live.post(f"/inbox/{first}/refunded", {}).json["transfer"]
    ignored = live.post(f"/inbox/{second}/ignore").json["transfer"]  # no field is required, so no body

    assert (refunded["resolution"], ignored["resolution"]) == ("refunded", "ignored")
    assert refusal(live.post(f"/inbox/{second}/ignore", {})) == (409, "not_in_inbox")
    assert refusal(live.post(f"/inbox/{first}/refunded", {"refund_txid": "x"}))[0] in (409, 422)


def test_money_that_fits_none_is_nobodys_where_a_merchant_has_several_projects(hub: Hub, live: V1Client, shop: Shop,
                                                                               chain: Chain):
    assert shop.address is not None
    chain.pay(shop.address.base58, "7.000000")
    alone = waiting(live)
    transfer_id = live.get("/inbox").json["inbox"][0]["transfer_id"]
    with hub.database.transaction() as session:
        service.create_project(session, hub, merchant_id=shop.merchant_id, name="A second one")

    assert (alone, waiting(live)) == ([("7.000000", "unknown", None)], [])
    assert refusal(live.post(f"/inbox/{transfer_id}/ignore", {})) == (404, "transfer_not_found")


def test_lists_of_money_come_in_pages(hub: Hub, live: V1Client, shop: Shop, chain: Chain):
    assert shop.address is not None
    for number in range(3):
        payment = order(live, f"A{number}")
        chain.pay(payment["address"], payment["pay_amount"])
        chain.pay(shop.address.base58, f"{number + 1}.000000")
        with hub.database.transaction() as session:
            add_fresh_address(session, hub, shop.merchant_id)
    sizes = {}
    for path, name in (("/journal", "entries"), ("/inbox", "inbox"), ("/addresses", "addresses")):
        first = live.get(f"{path}?limit=2").json
        second = live.get(f"{path}?limit=2&cursor={first['next_cursor']}").json
        sizes[path] = (len(first[name]), len(second[name]), second["next_cursor"])
        assert [one for one in first[name] if one in second[name]] == []

    assert sizes == {"/journal": (2, 1, None), "/inbox": (2, 1, None), "/addresses": (2, 2, None)}

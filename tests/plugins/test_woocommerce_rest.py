"""WooCommerce by its REST API alone: orders in, the link and the payment's fate back, against a shop in memory."""

from __future__ import annotations

import hmac
import json
import re
import shutil
from base64 import b64encode

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select

from core.app import create_app
from core.channels import polling, service
from core.channels.adapters import load_settings
from core.channels.reading import claim_calls, read_call
from core.channels.registry import Registry
from core.contract import AdapterError, Answer, ChannelView, PaymentUpdate, PushResult
from core.errors import EgressFailed, GatewayError, InvalidField
from core.hub import Hub
from core.ids import Mode
from core.models import Channel, ChannelCall, Payment
from core.money import Usdt
from core.payments.controls import Scenario, simulate
from core.projects.service import get_project
from core.testing.factories import Shop, make_shop
from core.testing.hubs import Posted, RecordingDoor
from plugins.woocommerce.rest import WooCommerceRest
from tests.outbox.kit import drain

pytestmark = pytest.mark.slow

SECRET = "of-the-webhook-16"
SETTINGS = {
    "shop_url": "https://shop.example.com/", "consumer_key": "ck_" + "a" * 40, "consumer_secret": "cs_" + "b" * 40,
    "webhook_secret": SECRET,
}
BASIC = "Basic " + b64encode(f"ck_{'a' * 40}:cs_{'b' * 40}".encode()).decode()


@dataclass
class FakeWoo:
    """A shop in memory. fails: what the next calls answer or raise instead.   methods: whether each is switched on."""

    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    order_notes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fails: list[Answer | GatewayError] = field(default_factory=list)
    clock_s: int = 0
    methods: dict[str, bool] = field(default_factory=lambda: {"cheque": True, "bacs": False})
    hooks: list[dict[str, str]] = field(default_factory=list)
    may_write: bool = True

    def place(self, order_id: int = 101, **changes: Any) -> dict[str, Any]:
        """Place an order."""
        self.orders[order_id] = {
            "id": order_id, "status": "on-hold", "total": "50.00", "currency": "USDT", "payment_method": "cheque",
            "transaction_id": "",
        }
        self.order_notes[order_id] = []
        return self.change(order_id, **changes)

    def change(self, order_id: int, **changes: Any) -> dict[str, Any]:
        """Save an order."""
        self.clock_s += 1
        when = datetime.fromtimestamp(1_780_000_000 + self.clock_s, UTC).replace(tzinfo=None).isoformat()
        self.orders[order_id] |= changes | {"date_modified_gmt": when}
        return self.orders[order_id]

    def notes(self, order_id: int = 101) -> list[str]:
        """Read an order's notes."""
        return [note["note"] for note in self.order_notes[order_id]]

    def answer(self, asked: Posted) -> Answer | GatewayError:
        """Answer as WooCommerce does."""
        parts = urlsplit(asked.url)
        assert asked.headers["Authorization"] == BASIC and parts.netloc == "shop.example.com"
        path = parts.path.removeprefix("/wp-json/wc/v3")
        self.calls.append(f"{asked.method} {path}")
        if self.fails:
            return self.fails.pop(0)
        if asked.method != "GET" and not self.may_write:
            return said({"code": "woocommerce_rest_authentication_error"}, 401)
        if path == "/webhooks":
            return said(self.hooks)
        if path.startswith("/payment_gateways/"):
            is_on = self.methods.get(path.rpartition("/")[2])
            return said({}, 404) if is_on is None else said({"title": "USDT (TRC20)", "enabled": is_on})
        match = re.fullmatch(r"/orders/(\d+)(/notes)?", path)
        if match is None:
            return said([dict(order) for order in self._listed(dict(parse_qsl(parts.query)))])
        order_id, body = int(match[1]), json.loads(asked.body or b"{}")
        if order_id not in self.orders:
            return said({"code": "woocommerce_rest_shop_order_invalid_id"}, 404 if asked.method == "GET" else 400)
        if match[2]:
            if asked.method == "POST":
                self.order_notes[order_id].append(body | {"note": body["note"].replace("&", "&#038;")})
                self.change(order_id)
            return said(self.order_notes[order_id])
        return said(self.change(order_id, **body) if asked.method == "PUT" else self.orders[order_id])

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found = sorted(self.orders.values(), key=lambda order: order["date_modified_gmt"])
        found = [order for order in found if order["date_modified_gmt"] > query.get("modified_after", "")]
        found = found[::-1] if query["order"] == "desc" else found
        size, page = int(query["per_page"]), int(query.get("page", 1))
        return found[(page - 1) * size:page * size]


def adapter_for(woo: FakeWoo, **settings: Any) -> WooCommerceRest:
    """Give an adapter that sees this shop and nothing else."""
    return WooCommerceRest(view(**settings), RecordingDoor(answer=woo.answer), NoStore())


def said(what: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(what).encode(), 5)


@dataclass
class Bench:
    """A hub whose project is connected to the shop."""

    hub: Hub
    shop: Shop
    channel: Channel
    woo: FakeWoo

    def hook(
        self, order_id: int = 101, *, topic: str = "order.created", secret: str = SECRET, delivery: str = "d-1",
        body: bytes | None = None,
    ) -> int:
        """Call as WooCommerce does; gives the answer's status."""
        body = json.dumps({"id": order_id, "total": "0.01"}).encode() if body is None else body
        signature = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
        answer = create_app(hub=self.hub).test_client().post(
            f"/channels/{self.channel.uid}/orders", data=body, content_type="application/json",
            headers={"X-WC-Webhook-Signature": signature, "X-WC-Webhook-Topic": topic,
                     "X-WC-Webhook-Delivery-ID": delivery},
        )
        return answer.status_code

    def work(self) -> None:
        """Read and send what is due."""
        for claim in claim_calls(self.hub):
            read_call(self.hub, claim)
        while drain(self.hub):
            pass

    def poll(self) -> None:
        """Ask the shop, as it is due."""
        for turn in polling.take_turns(self.hub):
            polling.ask(self.hub, turn)
        self.work()

    def play(self, scenario: Scenario, order_id: str = "101") -> None:
        """Let an order's test payment meet its fate."""
        with self.hub.database.transaction() as session:
            wanted = select(Payment).where(Payment.order_id == order_id).order_by(Payment.id.desc()).limit(1)
            simulate(session, self.hub, session.scalars(wanted).one(), scenario)
        self.work()

    def payments(self) -> list[tuple[str, str, str]]:
        """Read each payment's order, amount and status."""
        with self.hub.database.snapshot() as session:
            rows = session.scalars(select(Payment).order_by(Payment.id)).all()
        return [(one.order_id, one.amount_text, one.status) for one in rows]


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh database; what is tested here does not see of which kind."""
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    return f"sqlite:///{tmp_path}/hub.db"


@pytest.fixture
def bench(hub: Hub) -> Bench:
    """A connected shop in Test mode."""
    woo = FakeWoo()
    hub.registry = Registry(adapters={WooCommerceRest.name: WooCommerceRest})
    hub.http.answer = woo.answer  # type: ignore[attr-defined]
    shop = make_shop(hub, webhook_url=None, mode=Mode.TEST)
    with hub.database.transaction() as session:
        project = get_project(session, shop.project_id)
        channel = service.connect(
            session, hub, project, adapter="woocommerce_rest", name="Shop", settings=SETTINGS
        )
    return Bench(hub, shop, channel, woo)


def test_an_order_gets_a_payment_and_its_customer_the_link(bench: Bench) -> None:
    bench.woo.place()

    assert bench.hook() == 200
    bench.work()

    assert bench.payments() == [("101", "50.00", "pending")]  # the shop's own word, not the webhook's 0.01
    [note] = bench.woo.order_notes[101]
    assert note["customer_note"] is True
    assert re.fullmatch(
        r"Test payment\. Please pay 50\.\d{6} USDT \(TRC20\), exactly this amount, until 2026-07-01 \d\d:\d\d UTC: "
        r"https://hub\.example/pay/\?id=\d+&#038;t=[\w-]+", note["note"],
    ), note["note"]


def test_the_whole_way_to_a_paid_order(bench: Bench) -> None:
    bench.woo.place()
    bench.hook()
    bench.work()

    bench.play(Scenario.COMPLETE)

    order = bench.woo.orders[101]
    assert order["status"] == "processing" and order["transaction_id"].startswith("test_")
    assert len(bench.woo.notes()) == 2 and bench.woo.notes()[1].startswith("Test payment. Paid, 50.")


@pytest.mark.parametrize(("scenario", "status", "said_so"), [
    (Scenario.UNDER, "on-hold", "Too little came: "),
    (Scenario.OVER, "processing", "Too much came: "),
    (Scenario.LATE, "on-hold", "Money came after the payment had expired"),
    (Scenario.DUPLICATE, "processing", "Money came although this order is paid"),
    (Scenario.EXPIRE, "cancelled", "The payment expired; nothing came."),
])
def test_what_is_odd_is_said_at_the_order(bench: Bench, scenario: Scenario, status: str, said_so: str) -> None:
    bench.woo.place()
    bench.hook()
    bench.work()

    bench.play(scenario)

    assert bench.woo.orders[101]["status"] == status
    assert any(note.startswith(f"Test payment. {said_so}") for note in bench.woo.notes()), bench.woo.notes()


@pytest.mark.parametrize("times", [2, 3])
def test_repeated_calls_and_polls_open_one_payment_and_write_each_note_once(bench: Bench, times: int) -> None:
    bench.woo.place(100, payment_method="bacs")
    bench.poll()
    bench.woo.place()
    for number in range(times):
        bench.hook(delivery=f"d-{number}", topic="order.updated")
        bench.work()
        bench.hub.clock.advance(minutes=6)  # type: ignore[attr-defined]
        bench.poll()

    assert bench.payments() == [("101", "50.00", "pending")]
    assert len(bench.woo.notes()) == 1


def test_a_lost_webhook_is_made_up_for_by_asking(bench: Bench) -> None:
    bench.poll()
    bench.woo.place()
    bench.hub.clock.advance(minutes=6)  # type: ignore[attr-defined]

    bench.poll()

    assert bench.payments() == [("101", "50.00", "pending")] and len(bench.woo.notes()) == 1


def test_what_was_ordered_before_the_shop_was_connected_is_left_alone(bench: Bench) -> None:
    for number in range(3):
        bench.woo.place(number + 1)

    for _ in range(3):
        bench.poll()
        bench.hub.clock.advance(minutes=6)  # type: ignore[attr-defined]

    assert bench.payments() == []


def test_more_orders_than_a_page_are_all_read() -> None:
    woo = FakeWoo()
    for number in range(120):
        woo.place(number + 1)

    told, cursor = adapter_for(woo).poll("2000-01-01T00:00:00/2000-01-01T00:00:00")

    assert cursor == f"2000-01-01T00:00:00/{woo.orders[120]['date_modified_gmt']}"
    assert [event.order_id for event in told] == [str(number + 1) for number in range(120)]


def test_an_expired_payment_is_not_opened_again_by_our_own_note(bench: Bench) -> None:
    with bench.hub.database.transaction() as session:
        channel = service.get_channel(session, bench.channel.uid)
        service.change_settings(session, bench.hub, channel, {"cancel_expired": False})
    bench.woo.place()
    bench.hook()
    bench.work()
    bench.play(Scenario.EXPIRE)

    bench.hook(delivery="d-2", topic="order.updated")
    bench.work()

    assert bench.payments() == [("101", "50.00", "expired")] and bench.woo.orders[101]["status"] == "on-hold"


def test_an_edited_order_gets_a_new_payment_and_link(bench: Bench) -> None:
    bench.woo.place()
    bench.hook()
    bench.work()

    bench.woo.change(101, total="60.00")
    bench.hook(delivery="d-2", topic="order.updated")
    bench.work()

    assert bench.payments() == [("101", "50.00", "canceled"), ("101", "60.00", "pending")]
    assert [note.count("Please pay 60.") for note in bench.woo.notes()].count(1) == 1


@pytest.mark.parametrize("change", [{"status": "cancelled"}, {"status": "trash"}, None])
def test_an_order_that_is_over_or_gone_cancels_its_payment(bench: Bench, change: dict[str, str] | None) -> None:
    bench.woo.place()
    bench.hook()
    bench.work()

    if change:
        bench.woo.change(101, **change)
    else:
        del bench.woo.orders[101]
    bench.hook(delivery="d-2", topic="order.deleted" if change is None else "order.updated")
    bench.work()

    assert bench.payments() == [("101", "50.00", "canceled")]


@pytest.mark.parametrize("changes", [
    {"payment_method": "stripe"}, {"status": "processing"}, {"status": "checkout-draft"}, {"total": "0.00"},
    {"total": "-5"}, {"total": None},
])
def test_what_is_none_of_our_business_opens_nothing(bench: Bench, changes: dict[str, Any]) -> None:
    bench.woo.place(**changes)

    assert bench.hook() == 200
    bench.work()

    assert (bench.payments(), bench.woo.notes()) == ([], [])


def test_only_who_knows_the_secret_is_heard(bench: Bench) -> None:
    bench.woo.place()

    assert bench.hook(secret="another") == 401
    assert bench.hook(body=b"webhook_id=7", secret="another") == 401
    bench.work()

    assert (bench.payments(), bench.woo.calls) == ([], [])


def test_the_ping_of_a_saved_webhook_is_welcome_and_kept_once(bench: Bench) -> None:
    client = create_app(hub=bench.hub).test_client()

    answers = [client.post(f"/channels/{bench.channel.uid}/orders", data={"webhook_id": str(n)}) for n in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    bench.work()
    with bench.hub.database.snapshot() as session:
        assert len(session.scalars(select(ChannelCall)).all()) == 1
    assert bench.woo.calls == []


@pytest.mark.parametrize("failure", [
    Answer(503, b"", 5), Answer(429, b"", 5), EgressFailed(), Answer(200, b"<html>", 5),
])
def test_a_shop_that_is_away_is_told_later(bench: Bench, failure: Answer | GatewayError) -> None:
    bench.woo.place()
    bench.hook()
    bench.work()
    bench.woo.fails = [failure]

    bench.play(Scenario.COMPLETE)
    assert bench.woo.orders[101]["status"] == "on-hold"
    bench.hub.clock.advance(minutes=6)  # type: ignore[attr-defined]
    bench.work()

    assert bench.woo.orders[101]["status"] == "processing"


def test_a_crash_between_note_and_record_writes_no_second_note() -> None:
    woo = FakeWoo()
    woo.place()

    results = [adapter_for(woo).push(update("created")) for _ in range(2)]

    assert results == [PushResult.DONE, PushResult.ALREADY] and len(woo.notes()) == 1


CASES = [
    # the order before, what was set, the update: what comes back, the order's status after
    ({"status": "on-hold"}, {}, "paid", PushResult.DONE, "processing"),
    ({"status": "pending"}, {}, "paid", PushResult.DONE, "processing"),
    ({"status": "failed"}, {}, "paid", PushResult.DONE, "processing"),
    ({"status": "on-hold"}, {"paid_status": "completed"}, "paid", PushResult.DONE, "completed"),
    ({"status": "processing", "transaction_id": "tx1"}, {}, "paid", PushResult.ALREADY, "processing"),
    ({"status": "completed", "transaction_id": "other"}, {}, "paid", PushResult.CONFLICT, "completed"),
    ({"status": "cancelled"}, {}, "paid", PushResult.CONFLICT, "on-hold"),
    ({"status": "cancelled"}, {"reopen_canceled": True}, "paid", PushResult.DONE, "processing"),
    ({"status": "refunded"}, {"reopen_canceled": True}, "paid", PushResult.CONFLICT, "refunded"),
    ({"status": "on-hold", "payment_method": "stripe"}, {}, "paid", PushResult.CONFLICT, "on-hold"),
    ({"status": "pending"}, {}, "detected", PushResult.DONE, "on-hold"),
    ({"status": "processing"}, {}, "detected", PushResult.DONE, "processing"),
    ({"status": "processing"}, {}, "expired", PushResult.DONE, "processing"),
    ({"status": "pending", "payment_method": "stripe"}, {}, "expired", PushResult.DONE, "pending"),
    ({"status": "processing"}, {}, "late", PushResult.DONE, "processing"),
    ({"status": "cancelled"}, {}, "underpaid", PushResult.DONE, "on-hold"),
    ({"status": "cancelled"}, {}, "created", PushResult.CONFLICT, "cancelled"),
    ({"status": "on-hold"}, {}, "attached", PushResult.ALREADY, "on-hold"),
]


@pytest.mark.parametrize(("before", "settings", "kind", "result", "after"), CASES)
def test_the_table_of_order_states(
    before: dict[str, str], settings: dict[str, Any], kind: str, result: PushResult, after: str
) -> None:
    woo = FakeWoo()
    woo.place(**before)

    assert adapter_for(woo, **settings).push(update(kind)) is result
    assert woo.orders[101]["status"] == after


@pytest.mark.parametrize(("total", "currency", "asked"), [
    ("500.00", "JPY", "500"), ("49.90", "EUR", "49.9"), ("100", "EUR", "100"), ("50.00", "USDT", "50.00"),
])
def test_a_price_has_no_more_decimals_than_it_needs(total: str, currency: str, asked: str) -> None:
    woo = FakeWoo()
    woo.place(total=total, currency=currency)

    [placed], _ = adapter_for(woo).poll("2000-01-01T00:00:00/2000-01-01T00:00:00")

    assert (placed.amount, placed.currency) == (asked, currency)  # type: ignore[union-attr]


def test_paid_told_again_after_more_money_came_is_the_same_payment() -> None:
    woo = FakeWoo()
    woo.place()
    assert adapter_for(woo).push(update("paid")) is PushResult.DONE

    again = adapter_for(woo).push(replace(update("paid"), txids=("tx1", "tx2")))

    assert again is PushResult.ALREADY and woo.orders[101]["transaction_id"] == "tx1"


def test_an_order_that_is_gone_is_for_a_human() -> None:
    assert adapter_for(FakeWoo()).push(update("paid")) is PushResult.CONFLICT
    assert adapter_for(FakeWoo()).push(update("paid", order_id="A-7")) is PushResult.CONFLICT


@pytest.mark.parametrize(("answer", "is_permanent"), [
    (Answer(401, b"", 1), False), (Answer(403, b"", 1), False), (Answer(301, b"", 1), True),
    (Answer(400, b"", 1), True),
])
def test_a_refusal_is_said_in_words(answer: Answer, is_permanent: bool) -> None:
    with pytest.raises(AdapterError) as refused:
        adapter_for(FakeWoo(fails=[answer])).check()

    assert refused.value.permanent is is_permanent and refused.value.reason.startswith("The shop ")


HERE = "https://hub.example/channels/ch_1/orders"


def hook(topic: str, status: str = "active", url: str = HERE) -> dict[str, str]:
    return {"topic": topic, "status": status, "delivery_url": url}


@pytest.mark.parametrize(("hooks", "said_too"), [
    ([hook("order.created"), hook("order.updated")], ""),
    ([hook("order.created"), hook("order.updated", url="https://other.example/orders")],
     f" No active webhook for order.updated leads to {HERE}: orders are found within minutes."),
    ([hook("order.created", "disabled")],
     f" No active webhook for order.created and order.updated leads to {HERE} (one is there and switched off): orders "
     "are found within minutes."),
])
def test_a_check_says_what_works_and_which_webhooks_are_missing(hooks: list[dict[str, str]], said_too: str) -> None:
    woo = FakeWoo(hooks=hooks)

    assert adapter_for(woo).check() == (
        "shop.example.com answers, the key may read and write its orders, and it offers cheque as 'USDT (TRC20)'."
        + said_too
    )
    assert woo.orders == {}


@pytest.mark.parametrize(("changes", "settings", "said"), [
    ({"may_write": False}, {}, "The shop refuses the API key, or the key lacks the right to read and write."),
    ({}, {"payment_method": "bacs"}, "The shop offers no payment method 'bacs': switch it on"),
    ({}, {"payment_method": "usdt"}, "The shop offers no payment method 'usdt': switch it on"),
])
def test_a_check_refuses_what_the_first_order_would_show(
    changes: dict[str, Any], settings: dict[str, str], said: str
) -> None:
    with pytest.raises(AdapterError, match=re.escape(said)):
        adapter_for(FakeWoo(**changes), **settings).check()


@pytest.mark.parametrize(("wrong", "said"), [
    ({"consumer_key": "ck_1"}, "must be ck_ and 40 hexadecimal digits, as WooCommerce shows it when the key is made."),
    ({"payment_method": "a b"}, "must be a payment method's id, such as cheque."),
])
def test_settings_are_refused_in_whole_sentences(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidField) as refused:
        load_settings(WooCommerceRest, SETTINGS | wrong)

    assert refused.value.sentence == f"settings: {next(iter(wrong))}: {said}"


@dataclass
class NoStore:
    """A memory of its own."""

    kept: dict[str, str] = field(default_factory=dict)

    def get(self, key: str) -> str | None:
        return self.kept.get(key)

    def put(self, key: str, value: str, *, secret: bool = False) -> None:
        self.kept[key] = value

    def swap(self, key: str, expected: str | None, value: str | None) -> bool:
        raise NotImplementedError


def view(**settings: Any) -> ChannelView:
    loaded = WooCommerceRest.settings_schema().load(SETTINGS | settings)
    return ChannelView("ch_1", "Shop", "woocommerce_rest", loaded, "https://hub.example/channels/ch_1", False, "")


def update(kind: str, *, order_id: str = "101") -> PaymentUpdate:
    return PaymentUpdate(
        event_id=f"evt_{kind}", number=2, type=kind, at=datetime(2026, 7, 1, tzinfo=UTC), payment_id=7,
        order_id=order_id, status="paid", anomaly="none", due=Usdt(50_000_000), pay_amount=Usdt(50_000_100),
        received=Usdt(50_000_100 if kind == "paid" else 0), txids=("tx1",), address="T…",
        pay_url="https://hub.example/pay/?id=7&t=abc", is_test=False, expires_at=datetime(2026, 7, 1, 1, tzinfo=UTC),
        details={"price": "50.00 USDT"},
    )

"""The WordPress plugin between a real WordPress and the real hub; with WP_DIR, on a real WooCommerce too.

W-numbers are those of the list of acceptance cases for WooCommerce shops.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.wordpress.conftest import Project, Shop
from tests.wordpress.site import Site

pytestmark = [
    pytest.mark.slow, pytest.mark.journey, pytest.mark.wordpress, pytest.mark.xdist_group("wordpress"),
    pytest.mark.timeout(300),  # the first one waits for a shop and a hub to be set up
]
NOBODY = "http://127.0.0.1:9"  # discard: nothing listens there


@pytest.fixture(scope="module")
def paid(site: Site, project: Project) -> dict[str, dict[str, Any]]:
    """Orders of a live shop whose money is on its way, one of them paid twice; their tests share the wait for it."""
    shop = Shop(site, project)
    site.do("settings", mode="live")
    orders = {"twice": shop.ordered(), "euros": shop.ordered(currency="EUR", quantity=7), "usdt": shop.ordered()}
    for name, order in orders.items():
        asked = order["asked"] = project.payment(order["meta"]["payment_id"], "live")
        times = 2 if name == "twice" else 1
        units = int(Decimal(asked["pay_amount"]) * 10**6)
        order["txids"] = [project.pay(asked["address"], units) for _ in range(times)]
    return orders


def test_an_order_is_paid_on_the_devnet_and_what_came_twice_goes_back_by_the_refund_button(
    paid: dict[str, dict[str, Any]], shop: Shop
):
    """At the end what the shop has booked is taken away, so that all it knows of waits at the hub."""
    order = paid["twice"]
    assert order["redirect"] == order["asked"]["payment_url"]

    seen = shop.wait(order["id"], until=lambda it: it["status"] != "pending", within_s=20)
    assert seen["status"] in ("on-hold", "processing")
    noted = "paid this order twice"
    done = shop.wait(order["id"], until=lambda it: any(noted in note for note in it["notes"]), within_s=60)
    assert (done["status"], done["txid"]) == ("processing", order["txids"][0])
    shop.site.do("meta", id=order["id"], name="_paywharf_txid", value="")
    press = {"id": order["id"], "by_method": True}
    in_part, whole = (shop.site.do("refund_button", amount=amount, **press) for amount in ("5.00", "12.50"))
    assert in_part == {"offered": True, "said": "The hub sends whole transfers back: refund the whole order."}
    assert whole == {"offered": True, "said": "refunded"}
    after = shop.site.order(order["id"])
    assert (after["status"], sum("/refund/?t=" in note for note in after["notes"])) == ("refunded", 1)
    assert shop.site.do("refund", id=order["id"]) == 0, "the refund is under way"


def test_w21_a_test_payment_completes_an_order_of_a_shop_in_test_mode(shop: Shop):
    order = shop.ordered()

    shop.project.play(order["redirect"], "complete")

    done = shop.wait(order["id"], until=lambda it: it["status"] == "processing" and it["txid"])
    assert done["txid"].startswith("test_")


def test_a_second_click_leads_to_the_same_payment(shop: Shop):
    order = shop.ordered()

    again = shop.site.do("pay", id=order["id"])

    assert again["redirect"] == order["redirect"]
    assert shop.site.order(order["id"])["meta"]["payment_id"] == order["meta"]["payment_id"]


def test_w7_four_identical_webhooks_at_once_are_one_transition_one_mail_one_stock_reduction(shop: Shop):
    order = shop.ordered()
    body, headers = shop.project.webhook(shop.fields(order))
    stock, mails = shop.site.do("stock"), len(shop.site.mails())

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: shop.post(body, headers), range(4)))

    assert sorted(answer.json()["result"] for answer in answers) == ["done"] + ["ignored: already booked"] * 3
    done = shop.site.order(order["id"])
    assert (done["status"], done["txid"]) == ("processing", shop.fields(order)["txid"])
    assert shop.site.do("stock") == stock - 1
    about = [mail for mail in shop.site.mails()[mails:] if str(order["id"]) in mail["subject"] + mail["message"]]
    buyers = [mail for mail in about if "owner@" not in json.dumps(mail["to"])]
    assert len(buyers) <= 1 and len(about) <= 2
    assert sum("is final" in note for note in done["notes"]) == 1


def test_w4_a_payment_lies_with_its_order_whichever_tables_hold_it(shop: Shop):
    """HPOS=no runs the same tests with orders as posts."""
    facts = shop.site.do("facts")
    own_tables = facts["versions"]["hpos"] == "yes"
    assert own_tables == ("WP_DIR" in os.environ and os.environ.get("HPOS", "yes") == "yes")

    order = shop.ordered()

    assert {"custom_order_tables", "cart_checkout_blocks"} <= set(facts["compatible"])
    assert shop.site.do("stored", id=order["id"]) == {"posts": int(not own_tables), "orders": int(own_tables)}


@pytest.mark.parametrize("how", ["body", "secret", "none"])
def test_w8_w9_a_bad_signature_is_401_and_the_notice_names_the_cause(shop: Shop, how: str):
    order = shop.ordered()
    body, headers = shop.project.webhook(shop.fields(order))
    if how == "body":
        body = body.replace(b"12.50", b"12.51")
    elif how == "none":
        headers = {"Content-Type": "application/json"}
    else:
        headers = headers | {"X-Signature": "0" * 64, "webhook-signature": "v1,AAAA"}

    answer = shop.post(body, headers)

    assert answer.status_code == 401
    assert shop.site.order(order["id"])["status"] == "pending"
    notice = shop.site.do("notices")
    assert ("the secrets here are not those of the hub" in notice) == (how != "none"), "nobody's noise is no alarm"


def test_w10_the_hub_is_down_at_checkout(shop: Shop):
    shop.site.do("settings", hub_url=NOBODY)
    order = shop.site.do("new_order")

    answer = shop.site.do("pay", id=order["id"])

    assert answer["result"] == "failure"
    assert "cannot be reached right now" in answer["message"]
    assert "The hub does not answer" in shop.site.do("notices")
    assert shop.site.order(order["id"])["status"] == "pending"
    shop.site.do("settings", hub_url=shop.project.demo.config["base_url"])
    assert shop.site.do("pay", id=order["id"])["result"] == "success"
    assert shop.site.do("notices") == ""


def test_w11_deactivated_while_the_buyer_pays_then_reactivated_a_retry_completes_the_order(shop: Shop):
    order = shop.ordered()
    body, headers = shop.project.webhook(shop.fields(order))
    shop.site.do("plugin", do="deactivate")

    refused = shop.post(body, headers)

    assert refused.status_code == 404
    assert shop.site.do("plugin", do="activate") == "active"
    assert shop.post(body, headers).json()["result"] == "done"
    assert shop.site.order(order["id"])["status"] == "processing"
    assert shop.site.do("facts")["scheduled"]


def test_w12_all_webhooks_lost_the_hourly_job_completes_the_order(shop: Shop):
    order = shop.ordered()
    shop.site.do("settings", test_secret="sk_test_lost", live_secret="sk_live_lost", webhook_secret="")
    shop.project.play(order["redirect"], "complete")
    shop.wait(order["id"], until=lambda _: "the secrets here" in shop.site.do("notices"))
    assert shop.site.order(order["id"])["status"] == "pending"
    shop.site.do("settings", **shop.project.settings())

    assert shop.site.do("reconcile") >= 1

    done = shop.site.order(order["id"])
    assert done["status"] == "processing" and done["txid"].startswith("test_")


def test_w13_cancelled_then_paid_waits_for_a_human(shop: Shop):
    order = shop.ordered()
    shop.site.do("change", id=order["id"], status="cancelled")

    shop.project.play(order["redirect"], "complete")

    noted = "Paid after the order was cancelled"
    held = shop.wait(order["id"], until=lambda it: any(noted in note for note in it["notes"]))
    assert held["status"] == "on-hold"
    called = f"Order {order['id']} needs a decision"
    shop.wait(order["id"], until=lambda _: any(called in mail["subject"] for mail in shop.site.mails()))


def test_w13_cancelled_then_paid_is_reopened_where_the_owner_chose_so(shop: Shop):
    shop.site.do("settings", order_reopen="yes")
    order = shop.ordered()
    shop.site.do("change", id=order["id"], status="cancelled")

    shop.project.play(order["redirect"], "complete")

    assert shop.wait(order["id"], until=lambda it: it["status"] != "cancelled")["status"] == "processing"


@pytest.mark.parametrize(
    ("scenario", "status", "note"),
    [
        ("over", "processing", "too much"), ("under", "pending", "Too little has arrived so far"),
        ("late", "on-hold", "arrived after the payment window"), ("duplicate", "processing", "paid this order twice"),
        ("fail", "pending", "was canceled"), ("expire", "cancelled", "ended without a payment"),
    ],
)
def test_w14_odd_money_leaves_the_order_as_the_table_says(shop: Shop, scenario: str, status: str, note: str):
    order = shop.ordered()

    shop.project.play(order["redirect"], scenario)

    found = shop.wait(order["id"], until=lambda it: any(note in one for one in it["notes"]))
    assert found["status"] == status


def test_w15_an_older_update_after_a_newer_one_is_ignored(shop: Shop):
    order = shop.ordered()

    newer = shop.event(order, "detected", "pending", 4)
    older = shop.event(order, "undetected", "pending", 3)

    assert (newer, older) == ("done", "ignored: older than what is known")
    assert shop.site.order(order["id"])["status"] == "on-hold"


def test_a_sighting_that_vanishes_lets_the_order_wait_again(shop: Shop):
    order = shop.ordered()

    shop.event(order, "detected", "pending", 2)
    shop.event(order, "undetected", "pending", 3)

    assert shop.site.order(order["id"])["status"] == "pending"


@pytest.mark.parametrize("status", ["processing", "completed"])
def test_w16_an_order_paid_by_another_method_meanwhile_is_left_alone(shop: Shop, status: str):
    order = shop.ordered()
    shop.site.do("change", id=order["id"], method="cod", status=status)

    answer = shop.tell(shop.fields(order))

    assert (answer.status_code, answer.json()["result"]) == (200, "ignored: paid by another method")
    after = shop.site.order(order["id"])
    assert (after["status"], after["txid"]) == (status, "")
    assert any("uses another payment method now" in note for note in after["notes"])


@pytest.mark.parametrize("status", ["completed", "refunded"])
def test_w16_an_order_that_is_settled_is_left_alone(shop: Shop, status: str):
    order = shop.ordered()
    shop.tell(shop.fields(order))
    shop.site.do("change", id=order["id"], status=status)

    again = shop.tell(shop.fields(order))
    expired = shop.event(order, "expired", "expired", 9)

    assert (again.json()["result"], expired) == ("ignored: already booked", "ignored: the payment is booked")
    assert shop.site.order(order["id"])["status"] == status


def test_w17_the_hold_stock_job_leaves_an_order_whose_payment_is_open(shop: Shop):
    paying, without = shop.ordered(), shop.site.do("new_order")

    assert shop.site.do("hold_stock", id=paying["id"])["status"] == "pending"
    assert shop.site.do("hold_stock", id=without["id"])["status"] == "cancelled"


def test_w17_once_its_window_is_over_the_hub_is_asked(shop: Shop):
    order = shop.ordered()
    shop.site.do("meta", id=order["id"], name="_paywharf_expires_at", value="1")

    assert shop.site.do("hold_stock", id=order["id"])["status"] == "pending", "the hub says: open"
    shop.site.do("settings", hub_url=NOBODY)
    assert shop.site.do("hold_stock", id=order["id"])["status"] == "pending", "nobody knows"


def test_w18_an_order_edited_while_its_payment_is_open_gets_a_new_payment(shop: Shop):
    order = shop.ordered()

    edited = shop.site.do("change", id=order["id"], total="20.00")

    assert edited["meta"]["payment_id"] == ""
    assert shop.project.payment(order["meta"]["payment_id"])["status"] == "failed"
    shop.site.do("pay", id=order["id"])
    anew = shop.site.order(order["id"])
    assert anew["meta"]["payment_id"] not in ("", order["meta"]["payment_id"])
    assert Decimal(shop.project.payment(anew["meta"]["payment_id"])["amount"]) == 20


def test_w18_money_for_the_old_payment_of_an_edited_order_waits_for_a_human(shop: Shop):
    order = shop.ordered()
    shop.site.do("change", id=order["id"], total="20.00")

    answer = shop.tell(shop.fields(order))

    assert answer.json()["result"] == "done"
    held = shop.site.order(order["id"])
    assert held["status"] == "on-hold"
    assert any("older payment" in note for note in held["notes"])


def test_w18_an_order_edited_while_the_hub_is_away_is_not_completed_by_the_old_amount(shop: Shop):
    order = shop.ordered()
    shop.site.do("settings", hub_url=NOBODY)
    shop.site.do("change", id=order["id"], total="20.00")
    shop.site.do("settings", hub_url=shop.project.demo.config["base_url"])

    shop.tell(shop.fields(order))

    held = shop.site.order(order["id"])
    assert held["status"] == "on-hold"
    assert any("the order was changed since" in note for note in held["notes"])


def test_w18_an_order_edited_after_it_was_paid_waits_for_a_human(shop: Shop):
    order = shop.ordered()
    shop.tell(shop.fields(order))

    edited = shop.site.do("change", id=order["id"], total="20.00")

    assert shop.site.order(order["id"])["status"] == "on-hold"
    assert any("changed after it was paid" in note for note in shop.site.order(order["id"])["notes"]), edited


def test_w19_a_wrong_clock_is_named(shop: Shop):
    order = shop.ordered()
    body, headers = shop.project.webhook(shop.fields(order), sent_ago_s=601)

    answer = shop.post(body, headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "clock_off")
    assert "set the clock" in shop.site.do("notices")
    assert shop.site.order(order["id"])["status"] == "pending"


def test_w20_a_webhook_signed_with_a_rotated_secret_is_taken_by_the_other_signature(shop: Shop):
    order = shop.ordered()
    body, headers = shop.project.webhook(shop.fields(order))

    answer = shop.post(body, headers | {"webhook-signature": "v1,AAAA"})

    assert answer.json()["result"] == "done"


def test_w21_a_test_payment_leaves_an_order_of_a_live_shop_unpaid(shop: Shop):
    order = shop.ordered()
    shop.site.do("settings", mode="live")

    answer = shop.tell(shop.fields(order))

    assert answer.json()["result"] == "ignored: a test payment in a live shop"
    after = shop.site.order(order["id"])
    assert (after["status"], after["txid"]) == ("pending", "")


def test_w21_a_forged_mode_does_not_help(shop: Shop):
    """A body that says live, signed with the test secret: whoever has test keys must not get goods for them."""
    order = shop.ordered()
    shop.site.do("settings", mode="live")
    body, headers = shop.project.webhook(shop.fields(order, is_test=False))
    headers = {name: value for name, value in headers.items() if not name.startswith("webhook-")}

    assert shop.post(body, headers).json()["code"] == "wrong_mode"
    assert shop.site.order(order["id"])["status"] == "pending"


def test_w25_plain_permalinks_and_the_twin_take_webhooks(shop: Shop):
    for address in ("/?rest_route=/paywharf/v1/webhook", "/?wc-api=paywharf"):
        order = shop.ordered()
        body, headers = shop.project.webhook(shop.fields(order))

        answer = requests.post(shop.site.url + address, data=body, headers=headers, timeout=30)

        assert (answer.status_code, answer.json()) == (200, {"ok": True, "result": "done"})
        assert shop.site.order(order["id"])["status"] == "processing"


def test_w26_the_success_page_opened_without_money_says_waiting(shop: Shop):
    order = shop.ordered()

    page = shop.site.do("thank_you", id=order["id"])

    assert "We are waiting for your payment" in page
    assert order["redirect"].replace("&", "&#038;") in page
    assert shop.site.order(order["id"])["status"] == "pending"


def test_w26_the_waiting_page_hears_of_the_payment_even_without_a_webhook(shop: Shop):
    order = shop.ordered()
    state = f"{shop.site.url}/?wc-api=paywharf_state&order={order['id']}"
    assert requests.get(f"{state}&key=wrong", timeout=30).status_code == 404
    assert requests.get(f"{state}&key={order['key']}", timeout=30).json()["waiting"] is True
    shop.site.do("settings", webhook_secret="", test_secret=shop.project.keys["test"]["secret"])

    shop.project.play(order["redirect"], "complete")
    shop.site.do("forget")

    answer = requests.get(f"{state}&key={order['key']}", timeout=30).json()
    shop.site.do("settings", webhook_secret=shop.project.webhook_secret)
    assert (answer["waiting"], answer["status"]) == (False, "processing")


@pytest.mark.parametrize(
    ("status", "leads_to"), [("pending", "order-pay"), ("cancelled", "cart"), ("processing", "order-received")]
)
def test_w27_the_way_back_leads_to_a_page_that_is_of_use(shop: Shop, status: str, leads_to: str):
    order = shop.ordered()
    shop.site.do("change", id=order["id"], status=status)
    way_back = f"{shop.site.url}/?wc-api=paywharf_return&order={order['id']}&key={order['key']}"

    answer = requests.get(way_back, allow_redirects=False, timeout=30)

    assert answer.status_code == 302
    assert leads_to in answer.headers["Location"]


def test_an_unknown_order_is_404_so_that_the_failed_delivery_shows(shop: Shop):
    order = shop.ordered()

    unknown = shop.tell(shop.fields(order, order_id="wc-999999-00000000"))
    of_a_copy = shop.tell(shop.fields(order, order_id=order["ref"][:-8] + "00000000"))

    assert (unknown.status_code, of_a_copy.status_code) == (404, 404)


def test_a_ping_is_answered_with_versions(shop: Shop):
    answer = shop.tell({"type": "test.ping", "app_id": 1, "endpoint_id": "ep_1", "is_test": True})

    assert (answer.status_code, answer.json()["pong"], answer.json()["mode"]) == (200, True, "test")


def test_w6_a_currency_without_a_rate_hides_the_method_and_tells_the_owner(shop: Shop):
    assert "paywharf" in shop.site.do("available")
    shop.site.do("option", name="woocommerce_currency", value="ZMW")
    order = shop.site.do("new_order")

    answer = shop.site.do("pay", id=order["id"])

    hidden, notice = shop.site.do("available"), shop.site.do("notices")
    shop.site.do("option", name="woocommerce_currency", value="USDT")
    assert answer["result"] == "failure" and "another payment method" in answer["message"]
    assert "paywharf" not in hidden
    assert "has no rate for ZMW" in notice


def test_the_doctor_finds_a_healthy_connection_good_and_names_what_is_wrong(shop: Shop):
    healthy = {(one["what"], one["level"]) for one in shop.site.do("doctor")}
    shop.site.do("settings", test_secret="sk_test_wrong", live_key=shop.project.keys["test"]["key"])

    ill = {one["what"]: one for one in shop.site.do("doctor")}

    rest_url = shop.site.do("facts")["rest_url"]
    assert {
        ("Hub", "good"), ("Clock", "good"), ("Test keys", "good"), ("Live keys", "good"),
        (f"Webhook address {rest_url}", "good"), (f"Webhook address {shop.site.url}/?wc-api=paywharf", "good"),
        ("Mode", "warning"),
    } <= healthy
    assert "The hub refuses the secret" in ill["Test keys"]["said"]
    assert ill["Live keys"]["said"] == "These are the keys of the other mode."


@pytest.mark.parametrize(
    "link",
    [
        "", "https://pay.example.com/", "https://pay.example.com/connect", "ftp://pay.example.com/connect#cc_12345678",
        "https://pay.example.com/connect#<script>", "javascript:alert(1)/connect#cc_12345678",
    ],
)
def test_what_is_no_connect_link_is_refused_before_anybody_is_asked(shop: Shop, link: str):
    assert shop.site.do("bad_link", link=link) == "bad_link"


def test_a_link_connects_the_shop_once_and_the_hub_reaches_it(shop: Shop):
    connected = shop.site.do("connect")

    assert (connected["name"], connected["again"]) == ("Quay Goods", "invalid_connect_code")
    settings = connected["settings"]
    assert settings["live_secret"] == shop.project.keys["live"]["secret"] and settings["mode"] == "live"
    assert settings["webhook_secret"].startswith("whsec_") and settings["channel_id"].startswith("ch_")
    found = {one["what"]: one for one in shop.site.do("doctor")}
    assert found["Message from the hub"]["level"] == "good", found
    assert shop.site.do("disconnect")["live_secret"] == ""


def test_the_refund_button_promises_back_what_has_paid_an_order_in_parts_and_whole(
    paid: dict[str, dict[str, Any]], shop: Shop
):
    """95.11 USDT have paid 87.50 EUR: 2.00 EUR are 2.1739428… USDT."""
    euros, usdt = paid["euros"], paid["usdt"]
    for order in (euros, usdt):
        shop.wait(order["id"], until=lambda it: it["status"] == "processing", within_s=60)

    with ThreadPoolExecutor(2) as pool:
        clicks = sorted(pool.map(lambda _: shop.refund(euros, "2.00"), range(2)))
    lost = {"id": euros["id"], "name": "_paywharf_refunds", "value": [{"units": 2 * 10**6, "at": 0, "refund_id": 1}]}
    once = shop.refund(euros, "1.00")
    shop.site.do("meta", **lost)
    again, whole = shop.refund(euros, "1.00"), shop.refund(usdt, "12.50")

    repeated = "Nothing was refunded. The same sum of this order was refunded less than a minute ago."
    assert (clicks[0][:len(repeated)], clicks[1]) == (repeated, "refunded")
    assert (once, again, whole) == ("refunded", "refunded", "refunded")
    told = [sorted(shop.site.order(order["id"])["told"]) for order in (euros, usdt)]
    assert told[0][0] == told[0][1], "the answer that was lost came again: the same link"
    assert [one.split(" at the rate")[0] for one in told[0][1:]] == [
        "We owe you 1.086971 USDT: that is 1.00 EUR", "We owe you 2.173942 USDT: that is 2.00 EUR",
    ]
    (link,) = told[1]
    received = Decimal(usdt["asked"]["pay_amount"]).normalize()
    assert link.startswith(f"We owe you {received} USDT.") and "/refund/?t=" in link
    assert [shop.site.order(order["id"])["status"] for order in (euros, usdt)] == ["processing", "refunded"]


def test_a_refund_that_the_hub_refuses_is_said_and_not_recorded(shop: Shop):
    shop.site.do("settings", mode="live")
    order = shop.ordered()
    shop.tell(shop.fields(order, is_test=False, txid="7" * 64), "live")

    refused = shop.refund(order, "12.50")
    shop.site.do("settings", hub_url=NOBODY)
    away = shop.refund(order, "12.50")

    assert refused == "Nothing was refunded. No real money has paid this payment: there is nothing to refund."
    assert away.startswith("Nothing was refunded. The hub does not answer.")
    after = shop.site.order(order["id"])
    assert (after["status"], after["told"]) == ("processing", [])
    assert shop.refund(order, "12.50", by_method=False) == "refunded"
    after = shop.site.order(order["id"])
    assert after["status"] == "refunded"
    assert sum("moved no coins. The coins of this order" in note for note in after["notes"]) == 1


def test_the_refund_button_of_a_test_order_moves_nothing(shop: Shop):
    order = shop.ordered()
    shop.tell(shop.fields(order))

    done = shop.site.do("refund_button", id=order["id"], amount="12.50", by_method=True)

    after = shop.site.order(order["id"])
    assert (done, after["status"]) == ({"offered": True, "said": "refunded"}, "refunded")
    assert sum("TEST: this refund moved no coins" in note for note in after["notes"]) == 1


def test_the_refund_button_says_when_the_hub_is_away_or_holds_nothing(shop: Shop):
    shop.site.do("settings", mode="live")
    order = shop.ordered()
    press = {"id": order["id"], "amount": "12.50", "by_method": True}

    nothing = shop.site.do("refund_button", **press)
    shop.site.do("settings", hub_url=NOBODY)
    away = shop.site.do("refund_button", **press)

    assert "holds no money of this order" in nothing["said"]
    assert away["said"].startswith("The hub does not answer.")
    assert shop.site.order(order["id"])["status"] == "pending"


def test_w24_the_plugin_has_asked_nobody_but_the_hub_and_itself(shop: Shop):
    """In all that the tests above have done: what they know of hosts is on this machine."""
    shop.ordered()

    assert shop.site.do("asked") == ["127.0.0.1"]


def test_w22_uninstalling_leaves_no_options(shop: Shop):
    """Last of all: it takes the plugin away."""
    settings = shop.site.do("option", name="woocommerce_paywharf_settings")
    order = shop.ordered()

    shop.site.do("plugin", do="uninstall")

    assert shop.site.do("options_like", like="%paywharf%") == []
    assert shop.site.order(order["id"])["meta"]["payment_id"] == order["meta"]["payment_id"], "orders keep theirs"
    shop.site.do("reinstall")
    shop.site.do("option", name="woocommerce_paywharf_settings", value=settings)

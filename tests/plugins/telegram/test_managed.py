"""A bot run by the hub, in the imitated messenger: what it sells, shows, and never does twice (platforms G1 to G15)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.chain.scanner import Scanner
from core.channels import service
from core.clock import ManualClock
from core.errors import InvalidField
from core.hub import Hub
from core.ids import Mode
from core.models import Channel, ChannelCall, Delivery
from core.payments.controls import Scenario
from core.projects.service import get_project, set_mode
from core.testing.bot_api import BotApiError, Limits, people
from core.testing.bot_api.markup import read_keyboard
from core.testing.chains import FakeChain, pay
from core.testing.factories import know_rates
from core.testing.hubs import START, TEST_CONTRACT
from plugins.telegram.conversation import read_amount, read_update
from tests.plugins.telegram.managed import ANN, BEN, GROUP, OWNER, TOKEN, Stall, make_stall

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[3] / "plugins" / "telegram"


@pytest.fixture(autouse=True)
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The imitated messenger has no limits unless a test sets them; waits for slots would only take time."""
    for name in ("CHAT_GAP_MS", "GROUP_GAP_MS", "OVERALL_GAP_MS"):
        monkeypatch.setattr(f"plugins.telegram.bot_api.{name}", 0)


@pytest.fixture
def stall(hub: Hub, clock: ManualClock) -> Stall:
    return make_stall(hub, clock)


def test_a_deep_link_becomes_one_message_that_lives_and_one_that_rings(stall: Stall):
    people.start(stall.world, stall.bot, ANN, "tea")
    stall.tick()
    (waiting,) = stall.texts()
    stall.play()

    lives, rings = stall.texts()

    (payment,) = stall.payments()
    assert waiting.startswith("Tea <b>\nSend exactly 10.0") and payment.address in waiting
    assert lives == rings == "Tea <b>\n10 USDT\n✅ Paid. Thank you!"
    assert payment.pay_units.six_places() in waiting
    assert stall.texts(OWNER) == [
        f"✅ Paid (test)\nTea <b> · Order {payment.order_id}, {payment.pay_units.six_places()} USDT"
    ]


def test_the_catalogue_is_shown_and_bought_from_in_the_buyers_language(stall: Stall):
    stall.say("/start", person=BEN)
    stall.press("Mug", person=BEN)

    catalogue, bill = people.messages_from(stall.world, stall.bot, BEN)

    assert catalogue["text"] == "Was darf es sein?"
    buttons = [row[0] for row in catalogue["reply_markup"]["inline_keyboard"]]
    assert buttons[1] == {"text": "Mug · 12.50 USDT", "callback_data": "b:mug"}
    assert bill["text"].startswith("Mug\nSende genau 12.5")
    assert [payment.amount_text for payment in stall.payments()] == ["12.50"]


def test_prices_in_euros_are_quoted_in_the_message(hub: Hub, clock: ManualClock):
    know_rates(hub, EUR="0.92")
    stall = make_stall(hub, clock, currency="EUR")
    stall.say("/start")
    stall.press("Mug")
    waiting = stall.texts()[-1].splitlines()
    stall.play()

    (payment,) = stall.payments()
    assert waiting[:2] == ["Mug", "12.50 EUR = 13.59 USDT"]
    assert waiting[2] == f"Send exactly {payment.pay_units.six_places()} USDT (TRC20) to"
    assert stall.texts()[-1] == "Mug\n12.50 EUR = 13.59 USDT\n✅ Paid. Thank you!"


@pytest.mark.parametrize(("currency", "typed"), [("EUR", "/pay 10.555"), ("JPY", "/pay 10.5")])
def test_an_amount_finer_than_its_currency_is_explained_and_alarms_nobody(
    hub: Hub, clock: ManualClock, currency: str, typed: str
):
    stall = make_stall(hub, clock, currency=currency, catalogue=[])
    stall.say(typed)

    examples = "/pay 10 or /pay 9.50" if currency == "EUR" else "/pay 10"
    assert stall.texts() == [f"Write /pay and an amount in {currency}, such as {examples}"]
    with hub.database.snapshot() as session:
        assert session.get_one(Channel, stall.channel.id).trouble == ""
    assert stall.payments() == []


def test_while_there_is_no_rate_an_order_waits_and_nothing_is_said_twice(hub: Hub, clock: ManualClock):
    stall = make_stall(hub, clock, currency="EUR")
    people.say(stall.world, stall.bot, ANN, "/start")
    stall.say("/pay 5")
    for _ in range(3):
        stall.tick(60)
    before = stall.texts()
    know_rates(hub, EUR="0.92")
    stall.tick(120)

    assert before == ["What would you like?"]
    assert [text.partition("\n")[0] for text in stall.texts()] == ["What would you like?", "5 EUR = 5.44 USDT"]


@pytest.mark.parametrize(
    ("typed", "amounts", "says"),
    [("/pay 10", ["10.00"], "Send exactly"), ("/pay 9,5", ["9.50"], "Send exactly"), ("/pay", [], "Write /pay"),
     ("/pay 0", [], "Write /pay"), ("/pay ten", [], "Write /pay"), ("hello", [], "What would you like?"),
     ("/start nothing", [], "What would you like?"), ("/start " + "a" * 64, [], "What would you like?"),
     ("/start " + "a" * 65, [], "What would you like?"),
     ("/PAY 00010", ["10.00"], "Send exactly"), ("/pay 1.1234567", [], "Write /pay and an amount in USDT, such as"),
     ("/pay@otherbot 3", [], None)],
)
def test_what_is_typed_is_paid_or_explained(stall: Stall, typed: str, amounts: list[str], says: str | None):
    """G10: a payload of 64 characters is one, 65 are not."""
    stall.say(typed)

    assert [payment.amount_text for payment in stall.payments()] == amounts
    assert [text.partition("\n")[0][: len(says or "")] for text in stall.texts()] == [says] * (says is not None)


@pytest.mark.parametrize(
    ("scenario", "buyer", "owner"),
    [
        (Scenario.UNDER, "Do not send again", "⚠️ Too little came"),
        (Scenario.OVER, "more than that", "⚠️ Too much came"),
        (Scenario.LATE, "came too late", "⚠️ Money came late"),
        (Scenario.EXPIRE, "Do not pay this any more", ""),
        (Scenario.FAIL, "Do not pay this", ""),
    ],
)
def test_odd_money_is_told_to_buyer_and_owner(stall: Stall, scenario: Scenario, buyer: str, owner: str):
    stall.say("/pay 10")
    stall.play(scenario)

    assert buyer in stall.texts()[0]
    assert (owner in "\n".join(stall.texts(OWNER))) and (bool(owner) == bool(stall.texts(OWNER)))


def test_g1_a_blocked_bot_is_marked_told_once_and_not_stubborn(stall: Stall):
    stall.say("/pay 10")
    people.block(stall.world, stall.bot, ANN)
    stall.tick()
    before = len(stall.world.requests)
    stall.play()
    for _ in range(5):
        stall.tick(600)

    asked = [method for _, method, given in stall.world.requests[before:] if given.get("chat_id") == ANN]
    assert asked == []
    told = stall.texts(OWNER)
    assert [text for text in told if "blocked the bot" in text] == ["🚫 Have blocked the bot: chats\n7"]
    assert any(text.startswith("✅ Paid") for text in told)
    stall.say("/pay 5")
    assert any("Send exactly 5." in text for text in stall.texts())


@pytest.mark.slow
def test_g2_fifty_payments_at_once_are_all_shown_and_every_pause_is_kept(stall: Stall):
    stall.world.limits = Limits(chat=(1, 1), overall=(30, 1))
    for person in range(1000, 1050):
        stall.world.add_person(person)
        people.say(stall.world, stall.bot, person, "/pay 10")
    for _ in range(12):
        stall.tick(6)

    shown = [people.messages_from(stall.world, stall.bot, person) for person in range(1000, 1050)]
    assert [len(messages) for messages in shown] == [1] * 50
    assert stall.world.disobeyed == []


def test_g3_a_double_tap_shows_nothing_twice(stall: Stall):
    stall.say("/start")
    first, second = stall.press("Tea"), stall.press("Tea")
    checks = [stall.press("I have paid"), stall.press("I have paid")]

    assert first == second == [""]
    assert checks == [["⏳ Waiting for your transfer."]] * 2
    assert (len(stall.payments()), len(stall.texts())) == (1, 2)


def test_a_button_that_is_not_known_any_more_is_answered(stall: Stall):
    stall.say("/pay 10")
    (shown,) = people.messages_from(stall.world, stall.bot, ANN)
    shown["reply_markup"]["inline_keyboard"][-1][-1]["callback_data"] = "o:z:1"

    query = people.press(stall.world, stall.bot, ANN, shown, "Cancel")
    stall.tick()

    assert len(stall.world.queries[query].answers) == 1
    assert [payment.status for payment in stall.payments()] == ["pending"]


def test_g4_and_g8_an_update_that_comes_again_has_one_effect(stall: Stall):
    message = people.start(stall.world, stall.bot, ANN, "tea")
    stall.tick()
    stall.world.put_update(stall.bot, "message", message)  # the same message under a new update
    stall.tick()

    assert (len(stall.payments()), len(stall.texts())) == (1, 1)


def test_g5_a_group_is_served_and_only_the_buyer_presses(stall: Stall):
    stall.say("/pay@till_bot 10", chat=GROUP)
    stranger = stall.press("Cancel", person=BEN, chat=GROUP)
    buyer = stall.press("Cancel", chat=GROUP)

    assert stranger == ["Das ist nicht deine Zahlung."]
    assert len(buyer) == 1
    assert stall.texts(GROUP) == ["10 USDT\n✖️ Canceled. Do not pay this."]
    assert [payment.status for payment in stall.payments()] == ["canceled"]


def test_g6_a_webhook_with_a_wrong_secret_has_no_effect_and_the_right_one_has_one(hub: Hub, clock: ManualClock):
    stall = make_stall(hub, clock, updates="webhook")
    hook = stall.bot.webhook
    assert hook is not None and hook.url == f"https://hub.example/channels/{stall.channel.uid}"
    message = people.start(stall.world, stall.bot, ANN, "tea")
    update = {"update_id": 5, "message": message}

    refused = [stall.post(update, secret).status_code for secret in ("", "wrong", hook.secret_token[:-1], "ü")]
    taken = [stall.post(update, hook.secret_token).json["repeated"] for _ in range(3)]
    stall.tick()

    assert refused == [401] * 4
    assert taken == [False, True, True]
    with hub.database.snapshot() as session:
        assert session.query(ChannelCall).count() == 1
    assert len(stall.payments()) == 1
    assert [method for _, method, _ in stall.world.requests].count("getUpdates") == 0


def test_g7_an_edit_that_changes_nothing_is_no_error(stall: Stall):
    stall.say("/pay 10")
    stall.play()
    requests = len(stall.world.requests)
    with stall.hub.database.transaction() as session:
        for delivery in session.query(Delivery):
            delivery.state, delivery.done_at, delivery.next_attempt_at = "due", None, stall.clock.now()
    stall.tick()

    assert len(stall.world.requests) > requests
    with stall.hub.database.snapshot() as session:
        assert {delivery.state for delivery in session.query(Delivery)} == {"done"}
    assert len(stall.texts()) == 2


def test_g10_the_longest_code_fits_into_a_button_and_a_link(hub: Hub, clock: ManualClock):
    code = "c" * 40
    stall = make_stall(hub, clock, catalogue=[{"code": code, "title": "Long", "price": "1"}])
    stall.say("/start")
    stall.press("Long")
    stall.say(f"/start {code}")

    assert [payment.order_id.startswith("tg.7.") for payment in stall.payments()] == [True, True]
    with pytest.raises(BotApiError, match="BUTTON_DATA_INVALID"):
        read_keyboard({"inline_keyboard": [[{"text": "x", "callback_data": "ü" * 33}]]})


def test_g12_a_hostile_title_is_inert(hub: Hub, clock: ManualClock):
    hostile = '<a href="https://evil.example">x</a> & <b'
    stall = make_stall(hub, clock, catalogue=[{"code": "tea", "title": hostile, "price": "1"}])
    stall.say("/start tea")
    stall.play()

    shown = people.messages_from(stall.world, stall.bot, ANN) + people.messages_from(stall.world, stall.bot, OWNER)
    assert [hostile in message["text"] for message in shown] == [True] * 3
    assert {entity["type"] for message in shown for entity in message.get("entities", ())} <= {"bold", "code"}


def test_g11_no_message_has_a_button_of_a_mini_app(stall: Stall):
    stall.say("/start")
    stall.press("Tea")

    assert "web_app" not in json.dumps([given for _, _, given in stall.world.requests])
    assert [path.name for path in PLUGIN.rglob("*.py") if '"web_app"' in path.read_text()] == []


@pytest.mark.parametrize("is_canceled", [False, True], ids=["paid", "canceled, then paid"])
def test_g15_real_money_is_told_to_buyer_and_owner_also_after_a_cancel(stall: Stall, is_canceled: bool):
    with stall.hub.database.transaction() as session:
        set_mode(get_project(session, stall.shop.project_id), Mode.LIVE)
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(3)
    scanner = Scanner(stall.hub, chain.fleet(stall.clock), holder="test")
    scanner.scan_once()
    stall.say("/pay 10")
    if is_canceled:
        stall.press("Cancel")
        assert "Do not pay this" in stall.texts()[0]
    (payment,) = stall.payments()

    chain.mine(pay(payment.address, payment.pay_units, chain))
    scanner.scan_once()
    stall.tick()

    assert [one.status for one in stall.payments()] == ["paid"], "money beats cancel"
    assert [text.partition("\n")[2] for text in stall.texts()] == ["✅ Paid. Thank you!"] * 2
    assert stall.texts(OWNER)[0].startswith(f"✅ Paid\nOrder {payment.order_id}")


def test_a_token_is_sealed_and_checked_by_telegram_itself(stall: Stall):
    with stall.hub.database.snapshot() as session:
        row = session.query(Channel).one()
        assert TOKEN not in row.settings and TOKEN.encode() not in row.sealed
    assert service.check_channel(stall.hub, stall.channel.uid) == (True, "@till_bot answers and is asked for updates.")
    del stall.world.bots[TOKEN]
    works, said = service.check_channel(stall.hub, stall.channel.uid)
    assert (works, said[:38]) == (False, "Telegram does not know this bot token:")
    assert [one["command"] for one in stall.bot.commands] == ["start", "pay"]


def test_one_bot_is_connected_once_in_a_hub(stall: Stall):
    with stall.hub.database.transaction() as session:
        project = get_project(session, stall.shop.project_id)
        channel = service.get_channel(session, stall.channel.uid)
        service.change_settings(session, stall.hub, channel, {"language": "de"})
        again = {"adapter": "telegram", "name": "Again", "settings": {"token": TOKEN}}
        with pytest.raises(InvalidField, match=f"This token is connected already: {channel.uid}."):
            service.connect(session, stall.hub, project, **again)
        plain = replace(stall.hub, settings=replace(stall.hub.settings, base_url="http://127.0.0.1:9000"))
        with pytest.raises(InvalidField, match="updates: webhook needs a hub whose PAYWHARF_BASE_URL is https"):
            service.change_settings(session, plain, channel, {"updates": "webhook"})
        service.disconnect(session, stall.hub, channel)
        assert service.connect(session, stall.hub, project, **again).uid != channel.uid


@pytest.mark.parametrize(
    "settings",
    [{"token": "no token"}, {"catalogue": [{"code": "a b", "title": "x", "price": "1"}]},
     {"catalogue": [{"code": "a" * 41, "title": "x", "price": "1"}]},
     {"catalogue": [{"code": "a", "title": "x", "price": "1e3"}]}, {"updates": "carrier pigeon"},
     {"catalogue": [{"code": "a", "title": "x", "price": "1"}] * 2}, {"currency": "usdt"}, {"currency": "XYZ"},
     {"currency": "JPY", "catalogue": [{"code": "a", "title": "x", "price": "1.5"}]}, {"unknown": 1}],
)
def test_settings_that_do_not_fit_are_refused_without_showing_the_token(stall: Stall, settings: dict[str, object]):
    token = f"8{TOKEN}"  # of no channel yet
    wanted = {"token": token} | settings
    with stall.hub.database.transaction() as session, pytest.raises(InvalidField) as refused:
        project = get_project(session, stall.shop.project_id)
        service.connect(session, stall.hub, project, adapter="telegram", name="Till", settings=wanted)

    assert refused.value.sentence.startswith("settings: ") and token not in refused.value.sentence


@pytest.mark.parametrize(
    "update",
    [{}, {"message": {}}, {"message": {"chat": {"id": 1, "type": "private"}, "from": {"id": 1}, "message_id": 1}},
     {"message": None}, {"callback_query": {"id": "1", "from": {"id": 1}, "data": "b:tea"}}, {"poll": {}},
     {"callback_query": {"id": "1", "from": {"id": 1}, "data": "c:x", "message": {"chat": {"id": 1}}}},
     {"my_chat_member": {}}, {"message": []}],
)
def test_updates_of_other_kinds_are_of_no_concern(update: dict[str, object]):
    assert read_update(update) is None


def test_amounts_are_read_strictly():
    assert [read_amount(text) for text in ("10", "9,5", "0", "-1", "1e3", "", "١٠", "1.2345678")] == [
        "10", "9.5", "", "", "", "", "", "",
    ]

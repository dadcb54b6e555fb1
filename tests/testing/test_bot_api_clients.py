"""G9: three client libraries, written by others for the real Bot API, understand the fake and are understood by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from core.testing.bot_api import FakeBotApi, Limits, World, people
from core.testing.bot_api.world import Bot
from tests.testing.clients import CLIENTS, KEYBOARD, Refused

pytestmark = pytest.mark.slow

TOKEN, ANN = "4242:" + "A" * 35, 101


@pytest.fixture(autouse=True)
def no_deprecated_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")  # python-telegram-bot warns of its own old type without it


@pytest.fixture
def world() -> World:
    world = World()
    world.add_person(ANN)
    return world


@pytest.fixture
def bot(world: World) -> Bot:
    bot = world.add_bot(TOKEN, username="till_bot", name="Till")
    people.open_private(world, bot, ANN)
    return bot


@pytest.fixture(params=CLIENTS, ids=["aiogram", "python-telegram-bot", "pyTelegramBotAPI"])
def client(request: pytest.FixtureRequest, api: FakeBotApi) -> Iterator[Any]:
    client = request.param(api.url, TOKEN)
    yield client
    client.close()


@pytest.fixture
def api(world: World, bot: Bot) -> Iterator[FakeBotApi]:
    with FakeBotApi(world) as api:
        yield api


def test_a_payment_message_is_written_edited_and_pressed(client: Any, world: World, bot: Bot):
    me = client.call("get_me")
    text = "Send <code>50.0134</code> &lt;USDT&gt; \N{PARTY POPPER}<b>!</b>"

    sent = client.call("send_message", chat_id=ANN, text=text, parse_mode="HTML", reply_markup=KEYBOARD)
    edited = client.call("edit_message_text", chat_id=ANN, message_id=sent["id"], text="Paid")
    query = people.press_data(world, bot, ANN, world.chats[ANN].messages[sent["id"]], "check:1")
    updates = client.call("get_updates", timeout=5)
    answered = client.call("answer_callback_query", callback_query_id=query, text="Not yet")

    assert (me.username, me.id, me.is_bot) == ("till_bot", 4242, True)
    assert sent == {
        "id": sent["id"], "text": "Send 50.0134 <USDT> \N{PARTY POPPER}!",
        "buttons": [("Pay", "https://hub.example/pay/?id=1"), ("Check", "check:1")],
        "entities": [("code", 5, 7), ("bold", 22, 1)],
    }
    assert edited == {"id": sent["id"], "text": "Paid", "buttons": [], "entities": []}
    assert [update[1:] for update in updates] == [("check:1", query)]
    assert (answered, world.queries[query].answers) == (True, ["Not yet"])


def test_an_update_waits_until_it_is_confirmed_by_a_greater_offset(client: Any, world: World, bot: Bot):
    people.start(world, bot, ANN, "ORDER_1")

    first, again = client.call("get_updates"), client.call("get_updates")
    after = client.call("get_updates", offset=first[0][0] + 1, timeout=1)

    assert (first, after) == (again, [])
    assert first[0][1] == "/start ORDER_1"


def test_each_refusal_is_understood(client: Any, world: World, bot: Bot):
    sent = client.call("send_message", chat_id=ANN, text="Hello")

    def refusal(method: str, **given: Any) -> tuple[str, int | None]:
        with pytest.raises(Refused) as refused:
            client.call(method, **given)
        words = refused.value.words.removeprefix("Bad Request: ").removeprefix("Forbidden: ").removeprefix("Conflict: ")
        return words.lower()[:30], refused.value.retry_after_s

    assert refusal("edit_message_text", chat_id=ANN, message_id=sent["id"], text="Hello")[0] == (
        "message is not modified: speci"
    )
    assert refusal("send_message", chat_id=999, text="Hello")[0] == "chat not found"
    assert refusal("send_message", chat_id=ANN, text="<x>", parse_mode="HTML")[0].startswith("can't parse entities")
    client.call("set_webhook", url="https://bot.example/hook", secret_token="s3cret")
    assert refusal("get_updates")[0] == "can't use getupdates method wh"
    client.call("delete_webhook", drop_pending_updates=True)
    world.limits = Limits(chat=(3, 30))  # two so far: the message, and the edit that changed nothing
    client.call("send_message", chat_id=ANN, text="One")
    words, wait_s = refusal("send_message", chat_id=ANN, text="Two")
    assert words.startswith(("too many", "flood control")) and 25 <= (wait_s or 0) <= 30
    people.block(world, bot, ANN)
    assert refusal("send_message", chat_id=ANN, text="Hello")[0] == "bot was blocked by the user"


def test_commands_are_set_and_other_methods_refused(client: Any, bot: Bot):
    client.call("set_my_commands", commands=[{"command": "pay", "description": "Pay"}])

    assert bot.commands == [{"command": "pay", "description": "Pay"}]
    with pytest.raises(Refused, match="(?i)not found"):
        client.call("send_chat_action", chat_id=ANN, action="typing")


def test_a_wrong_token_is_unauthorized(api: FakeBotApi):
    answer = requests.get(f"{api.url}/bot{TOKEN[:-1]}B/getMe", timeout=5)

    assert (answer.status_code, answer.json()) == (
        401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
    )

"""The pages that imitate a chat, without a script: what people do by forms, and that what bots send stays text."""

from __future__ import annotations

import threading

import pytest
from flask.testing import FlaskClient

from core.testing.bot_api import BotApiError, World, people
from core.testing.bot_api.chat_page import FIRST_PERSON, Span, spans
from core.testing.bot_api.methods import call
from core.testing.bot_api.server import create_app
from core.testing.bot_api.world import Bot

TOKEN = "4242:" + "A" * 35
CHAT = "/chats/till_bot"


@pytest.fixture
def world() -> World:
    return World(admits_strangers=True)


@pytest.fixture
def bot(world: World) -> Bot:
    return world.add_bot(TOKEN, username="till_bot", name="Till")


@pytest.fixture
def browser(world: World, bot: Bot) -> FlaskClient:
    return create_app(world).test_client()


def answer(world: World, text: str, **more: object) -> threading.Thread:
    """Let the bot answer the next update."""
    def run() -> None:
        (update,) = call(world, TOKEN, "getUpdates", {"timeout": 5})
        call(world, TOKEN, "getUpdates", {"offset": update["update_id"] + 1})
        if "callback_query" in update:
            call(world, TOKEN, "answerCallbackQuery", {
                "callback_query_id": update["callback_query"]["id"], "text": text,
            })
        else:
            call(world, TOKEN, "sendMessage", {"chat_id": update["message"]["chat"]["id"], "text": text, **more})

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_text_is_cut_at_its_entities_in_utf16_units():
    found = list(spans("\N{PARTY POPPER} pay 5 now", [{"type": "code", "offset": 7, "length": 1}]))

    assert found == [Span("\N{PARTY POPPER} pay "), Span("5", "code"), Span(" now")]


def test_by_forms_alone_a_person_writes_presses_and_reads_the_answers(world: World, browser: FlaskClient):
    bot_answers = answer(world, "Tea?", reply_markup={"inline_keyboard": [
        [{"text": "Tea", "callback_data": "b:tea"}], [{"text": "Pay", "url": "https://hub.example/pay/?id=1"}],
    ]})
    wrote = browser.post(f"{CHAT}/say?language=de", data={"text": "/start"})
    bot_answers.join()
    page = browser.get(wrote.location).text
    (shown,) = people.messages_from(world, world.bots[TOKEN], FIRST_PERSON + 1)

    bot_answers = answer(world, "<Tea> it is")
    pressed = browser.post(f"{CHAT}/press?language=de", data={"message": shown["message_id"], "data": "b:tea"})
    bot_answers.join()

    assert wrote.status_code == pressed.status_code == 303
    assert '<button name="data" value="b:tea">Tea</button>' in page
    assert 'href="https://hub.example/pay/?id=1" target="_blank" rel="noopener noreferrer"' in page
    assert "&lt;Tea&gt; it is" in browser.get(pressed.location).text


def test_what_bot_and_person_write_stays_text(world: World, bot: Bot, browser: FlaskClient):
    people.say(world, bot, world.add_person(FIRST_PERSON), "<script>alert(1)</script>")
    call(world, TOKEN, "sendMessage", {
        "chat_id": FIRST_PERSON, "text": '<a href="javascript:alert(1)">x</a> &lt;img&gt;', "parse_mode": "HTML",
    })

    page = browser.get(CHAT)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text and "x &lt;img&gt;" in page.text
    assert "javascript:" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self'")


def test_news_are_what_changed_since_and_which_life_of_the_messenger_says_so(
    world: World, bot: Bot, browser: FlaskClient
):
    people.say(world, bot, world.add_person(FIRST_PERSON), "one")
    first = browser.get(f"{CHAT}/news?since=0").text
    people.say(world, bot, FIRST_PERSON, "two")

    second = browser.get(f"{CHAT}/news?since=1").text

    assert ("one" in first, "one" in second, "two" in second) == (True, False, True)
    assert f'data-since="2" data-life="{world.begun_s}"' in second


def test_a_strangers_token_is_a_bot_with_chats_of_its_own_and_a_wrong_one_is_none(world: World, browser: FlaskClient):
    me = call(world, "7777:" + "B" * 30, "getMe", {})
    people.say(world, world.bots[TOKEN], world.add_person(FIRST_PERSON), "for the till alone")

    assert me["username"] == "bot_7777"
    assert "for the till alone" not in browser.get("/chats/bot_7777").text
    assert "This bot does not run yet" in browser.get("/chats/bot_7777").text
    call(world, "7777:" + "B" * 30, "getUpdates", {})
    assert "No message yet" in browser.get("/chats/bot_7777").text
    assert browser.get("/chats/").text.count('<li><a href="/chats/') == 2
    for token in ("7777:" + "C" * 30, "no token", "7778:short"):
        with pytest.raises(BotApiError, match="Unauthorized"):
            call(world, token, "getMe", {})
    with pytest.raises(BotApiError, match="Unauthorized"):
        World().bot_of(TOKEN)
    assert browser.get("/chats/nobody").status_code == 404

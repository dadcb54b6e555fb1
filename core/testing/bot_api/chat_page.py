"""Pages that imitate a chat, so that a bot can be tried in a browser; what stands in them is all a bot sent, and inert.

A message's text is shown by its entities; nothing is taken for HTML. People and their language are chosen by URL.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from core.testing.bot_api import people
from core.testing.bot_api.world import Bot, World

Json = dict[str, Any]
FIRST_PERSON = 700_001
HELD_S, ANSWERED_WITHIN_S = 10, 3
LANGUAGES = ("en", "de", "es", "ru", "fr")


def chat_pages(world: World) -> Blueprint:
    """Give the pages of a world's chats."""
    pages = Blueprint("chats", __name__, url_prefix="/chats", template_folder="templates", static_folder="static")
    pages.add_url_rule("/", "choose", lambda: _choose(world))
    pages.add_url_rule("/<username>", "chat", lambda username: _chat(world, username))
    pages.add_url_rule("/<username>/messages", "messages", lambda username: _messages(world, username))
    pages.add_url_rule("/<username>/say", "say", lambda username: _say(world, username), methods=["POST"])
    pages.add_url_rule("/<username>/press", "press", lambda username: _press(world, username), methods=["POST"])
    return pages


def _choose(world: World) -> str | AnyResponse:
    bots = list(world.bots.values())
    if len(bots) == 1:
        return redirect(url_for("chats.chat", username=bots[0].username))
    return render_template("chats.html", bots=bots)


def _chat(world: World, username: str) -> str:
    bot, person = _bot(world, username), world.people[_person(world)]
    payload = request.args.get("start", "")
    return render_template("chat.html", bot=bot, person=person, languages=LANGUAGES, payload=payload)


def _messages(world: World, username: str) -> Response:
    """Give what is new or changed since a place, held back for a while until there is something."""
    bot, person, since = _bot(world, username), _person(world), request.args.get("since", 0, type=int)
    with world.news:
        world.news.wait_for(lambda: _changed(world, person, since), HELD_S)
        chat = world.chats.get(person)
        shown = [chat.messages[number] for number in sorted(_changed(world, person, since))] if chat else []
        last = chat.changes[-1][0] if chat and chat.changes else since
    return jsonify(messages=shown, since=last, bot_id=bot.id)


def _say(world: World, username: str) -> Response:
    text = request.form.get("text", "").strip()[:4096]
    if text:
        people.say(world, _bot(world, username), _person(world), text)
    return jsonify(ok=True)


def _press(world: World, username: str) -> Response:
    bot, person = _bot(world, username), _person(world)
    chat = world.chats.get(person) or abort(404)
    message = chat.messages.get(request.form.get("message", 0, type=int)) or abort(404)
    number = people.press_data(world, bot, person, message, request.form.get("data", ""))
    with world.news:
        world.news.wait_for(lambda: world.queries[number].answers, ANSWERED_WITHIN_S)
    return jsonify(said="".join(world.queries[number].answers))


def _bot(world: World, username: str) -> Bot:
    found = next((bot for bot in world.bots.values() if bot.username == username), None)
    return found or abort(404)


def _person(world: World) -> int:
    """Find or make the person that the URL's language chooses: each language has one."""
    language = request.args.get("language", "en")
    if language not in LANGUAGES:
        abort(404)
    person = FIRST_PERSON + LANGUAGES.index(language)
    if person not in world.people:
        world.add_person(person, "You", language=language)
    return person


def _changed(world: World, person: int, since: int) -> set[int]:
    chat = world.chats.get(person)
    return {number for at, number in chat.changes if at > since} if chat else set()

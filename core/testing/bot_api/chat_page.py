"""Pages that imitate a chat, so that a bot can be tried in a browser; what stands in them is all a bot sent, and inert.

A message's text is shown by its entities; nothing is taken for HTML. Every form works without a script, which only
saves reloading. People and their language are chosen by URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from core.testing.bot_api import people
from core.testing.bot_api.world import Bot, Query, World

Json = dict[str, Any]
FIRST_PERSON = 700_001
HELD_S = 10  # a script's question that has no news yet
ANSWERED_WITHIN_S = 8  # a bot that polls every two seconds has time; nobody looks at a button for longer
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "ru": "Русский"}
TAGS = {"bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "code": "code", "pre": "code"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text. tag: an HTML element's name, or empty.   url: of a link."""

    text: str
    tag: str = ""
    url: str = ""


def spans(text: str, entities: Sequence[Mapping[str, Any]]) -> Iterator[Span]:
    """Cut a text at its entities, which count in UTF-16 units; of nested ones the outer one is shown."""
    units, at = text.encode("utf-16-le"), 0
    for one in sorted(entities, key=lambda entity: (entity["offset"], -entity["length"])):
        begin, end = 2 * one["offset"], 2 * (one["offset"] + one["length"])
        if begin < at:
            continue
        url = one.get("url", "")
        is_link = url.startswith(("https://", "http://"))
        yield Span(units[at:begin].decode("utf-16-le"))
        yield Span(units[begin:end].decode("utf-16-le"), TAGS.get(one["type"], ""), url if is_link else "")
        at = end
    yield Span(units[at:].decode("utf-16-le"))


def chat_pages(world: World) -> Blueprint:
    """Give the pages of a world's chats."""
    pages = Blueprint("chats", __name__, url_prefix="/chats", template_folder="templates", static_folder="static")
    pages.add_url_rule("/", "choose", lambda: _choose(world))
    pages.add_url_rule("/<username>", "chat", lambda username: _chat(world, username))
    pages.add_url_rule("/<username>/news", "news", lambda username: _news(world, username))
    pages.add_url_rule("/<username>/say", "say", lambda username: _say(world, username), methods=["POST"])
    pages.add_url_rule("/<username>/press", "press", lambda username: _press(world, username), methods=["POST"])
    pages.add_app_template_filter(_clock, "clock")
    pages.add_app_template_global(spans)
    pages.after_request(_harden)
    return pages


def _choose(world: World) -> str | AnyResponse:
    bots = list(world.bots.values())
    if len(bots) == 1:
        return redirect(url_for("chats.chat", username=bots[0].username))
    return render_template("chats.html", bots=bots)


def _chat(world: World, username: str) -> str:
    bot, person = _bot(world, username), _person(world, username)
    query = world.queries.get(request.args.get("pressed", ""))
    return render_template(
        "chat.html", bot=bot, language=_language(), languages=LANGUAGES, payload=request.args.get("start", "")[:64],
        bots=len(world.bots), said=_said(query) if query else "", **_since(world, person, 0),
    )


def _news(world: World, username: str) -> str:
    """Show what is new or changed since a place, held back for a while until there is something."""
    bot, person, since = _bot(world, username), _person(world, username), request.args.get("since", 0, type=int)
    with world.news:
        world.news.wait_for(lambda: _changed(world, person, since), HELD_S)
    return render_template("news.html", bot=bot, language=_language(), **_since(world, person, since))


def _say(world: World, username: str) -> AnyResponse:
    bot, person, text = _bot(world, username), _person(world, username), request.form.get("text", "").strip()[:4096]
    if text:
        said = people.say(world, bot, person, text)
        if not _is_script():
            with world.news:  # so that the page that comes has the answer on it
                world.news.wait_for(lambda: _last(world, person) != said["message_id"], ANSWERED_WITHIN_S)
    return jsonify(said="") if _is_script() else redirect(_here(username), code=303)


def _press(world: World, username: str) -> AnyResponse:
    bot, person = _bot(world, username), _person(world, username)
    chat = world.chats.get(person) or abort(404)
    message = chat.messages.get(request.form.get("message", 0, type=int)) or abort(404)
    number = people.press_data(world, bot, person, message, request.form.get("data", "")[:64])
    with world.news:
        world.news.wait_for(lambda: world.queries[number].answers, ANSWERED_WITHIN_S)
        said = _said(world.queries[number])
    return jsonify(said=said) if _is_script() else redirect(_here(username, pressed=number), code=303)


def _said(query: Query) -> str:
    return "".join(query.answers) if query.answers else "The bot has not answered yet."


def _here(username: str, *, pressed: str | None = None) -> str:
    return url_for("chats.chat", username=username, language=_language(), pressed=pressed, _anchor="end")


def _is_script() -> bool:
    return request.headers.get("Accept") == "application/json"


def _bot(world: World, username: str) -> Bot:
    found = next((bot for bot in world.bots.values() if bot.username == username), None)
    return found or abort(404, f"No bot named {username} has called here yet: start it, then reload.")


def _language() -> str:
    language = request.args.get("language", "en")
    return language if language in LANGUAGES else abort(404)


def _person(world: World, username: str) -> int:
    """Find or make the person that the URL chooses: each bot has one for each language, and so chats of its own."""
    place = [bot.username for bot in world.bots.values()].index(username)
    person = FIRST_PERSON + len(LANGUAGES) * place + list(LANGUAGES).index(_language())
    if person not in world.people:
        world.add_person(person, "You", language=_language())
    return person


def _since(world: World, person: int, since: int) -> Json:
    with world.lock:
        chat = world.chats.get(person)
        shown = [chat.messages[number] for number in sorted(_changed(world, person, since))] if chat else []
        last = chat.changes[-1][0] if chat and chat.changes else 0
    return {"messages": shown, "since": last, "life": world.begun_s}


def _changed(world: World, person: int, since: int) -> set[int]:
    chat = world.chats.get(person)
    return {number for at, number in chat.changes if at > since} if chat else set()


def _last(world: World, person: int) -> int:
    return max(world.chats[person].messages)


def _clock(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%H:%M")


def _harden(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer

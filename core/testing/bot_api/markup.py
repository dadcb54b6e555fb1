"""Judges texts and keyboards as the Bot API does: HTML entities, lengths in UTF-16 units, buttons of one kind each."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from core.testing.bot_api.world import BotApiError

Json = dict[str, Any]
TEXT_LIMIT = 4096  # sendMessage: 1-4096 characters after entities parsing
DATA_LIMIT = 64  # bytes of callback_data
TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "code": "code", "pre": "pre",
    "a": "text_link", "tg-spoiler": "spoiler", "blockquote": "blockquote",
}
KINDS = ("url", "callback_data", "web_app", "login_url", "switch_inline_query", "copy_text", "pay", "callback_game")


def utf16_length(text: str) -> int:
    """Count UTF-16 code units, in which the Bot API measures entities."""
    return len(text.encode("utf-16-le")) // 2


def read_text(text: object, parse_mode: object) -> tuple[str, list[Json]]:
    """Read a message's text into plain text and entities; raises BotApiError 400."""
    if not isinstance(text, str) or not text.strip():
        raise BotApiError(400, "Bad Request: message text is empty")
    entities: list[Json] = []
    if parse_mode:
        if str(parse_mode).upper() != "HTML":
            raise BotApiError(400, "Bad Request: unsupported parse_mode")
        text, entities = _parse_html(text)
        if not text.strip():
            raise BotApiError(400, "Bad Request: message text is empty")
    if utf16_length(text) > TEXT_LIMIT:
        raise BotApiError(400, "Bad Request: message is too long")
    return text.rstrip(), entities


def read_keyboard(given: object) -> Json | None:
    """Read `reply_markup`: an object, or its JSON text; None where there is none. Raises BotApiError 400."""
    if given in (None, "", "{}"):
        return None
    try:
        markup = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        raise BotApiError(400, "Bad Request: can't parse reply keyboard markup JSON object") from None
    if not isinstance(markup, dict) or not isinstance(markup.get("inline_keyboard", []), list):
        raise BotApiError(400, "Bad Request: object expected as reply markup")
    if "inline_keyboard" not in markup:
        return None  # keyboards under the text field are not shown in the chat's messages
    rows = [[_button(button) for button in row] for row in markup["inline_keyboard"] if row]
    return {"inline_keyboard": rows} if rows else None


def _button(given: object) -> Json:
    if not isinstance(given, dict) or not given.get("text"):
        raise BotApiError(400, "Bad Request: can't parse inline keyboard button: Text must be non-empty")
    kinds = [kind for kind in KINDS if given.get(kind)]
    if len(kinds) != 1:
        raise BotApiError(400, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the "
                               "inline keyboard")
    if kinds == ["callback_data"] and len(str(given["callback_data"]).encode()) > DATA_LIMIT:
        raise BotApiError(400, "Bad Request: BUTTON_DATA_INVALID")
    if kinds == ["url"]:
        parts = urlsplit(str(given["url"]))
        if parts.scheme not in ("http", "https", "tg") or not parts.netloc:
            raise BotApiError(400, f"Bad Request: inline keyboard button URL '{given['url']}' is invalid: Wrong HTTP "
                                   "URL")
    return {"text": str(given["text"]), kinds[0]: given[kinds[0]]}


def _parse_html(text: str) -> tuple[str, list[Json]]:
    reader = _HtmlReader()
    reader.feed(text)
    reader.close()
    if reader.open_tags:
        raise BotApiError(400, f"Bad Request: can't parse entities: Can't find end tag corresponding to start tag "
                               f"\"{reader.open_tags[-1][0]}\"")
    entities = sorted(reader.entities, key=lambda entity: (entity["offset"], -entity["length"]))
    return "".join(reader.parts), entities


class _HtmlReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self.entities: list[Json] = []
        self.open_tags: list[tuple[str, int, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag that the Bot API knows."""
        if tag not in TAGS:
            raise BotApiError(400, f"Bad Request: can't parse entities: Unsupported start tag \"{tag}\"")
        self.open_tags.append((tag, self._length(), dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost tag, which must be this one."""
        if not self.open_tags or self.open_tags[-1][0] != tag:
            raise BotApiError(400, f"Bad Request: can't parse entities: Unmatched end tag \"{tag}\"")
        _, offset, attrs = self.open_tags.pop()
        entity: Json = {"type": TAGS[tag], "offset": offset, "length": self._length() - offset}
        if tag == "a":
            entity["url"] = attrs.get("href") or ""
        if entity["length"]:
            self.entities.append(entity)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_entityref(self, name: str) -> None:
        self.parts.append({"lt": "<", "gt": ">", "amp": "&", "quot": '"'}.get(name, f"&{name};"))

    def handle_charref(self, name: str) -> None:
        code = int(name[1:], 16) if name[:1] in "xX" else int(name)
        self.parts.append(chr(code))

    def _length(self) -> int:
        return utf16_length("".join(self.parts))

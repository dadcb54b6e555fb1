"""The page's own style and script, addressed by their content, so that browsers may keep them for ever."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Response

from core.errors import NotFound

FOLDER = Path(__file__).parent / "static"
TYPES = {
    "checkout.css": "text/css; charset=utf-8",
    "checkout.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
FOR_EVER = "public, max-age=31536000, immutable"
VERSION_CHARACTERS = 12  # 48 bits of the content's SHA-256: a changed file has another address


def asset_url(name: str) -> str:
    """Give a static file's address, relative to any page of this room."""
    return f"static/{name}?v={_version(name)}"


def send_asset(name: str, *, version: str | None) -> Response:
    """Serve a static file; only an address with the content's own version may be kept. Raises NotFound."""
    if name not in TYPES:
        raise NotFound
    answer = Response(_content(name), content_type=TYPES[name])
    answer.headers["Cache-Control"] = FOR_EVER if version == _version(name) else "no-cache"
    return answer


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@cache
def _version(name: str) -> str:
    return sha256(_content(name)).hexdigest()[:VERSION_CHARACTERS]

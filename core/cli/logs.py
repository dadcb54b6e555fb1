"""Logging, configured once at the roof of each process: one line an event on stderr, as JSON or as text.

What leaves here is redacted as a whole line, tracebacks included, so that no caller has to remember to: secret keys,
webhook secrets, page tokens, passwords in URLs, headers that authenticate, 32-byte keys in hex that are not named as
a block or a transaction, and, word for word, every secret that stands in this process's settings.
"""

from __future__ import annotations

import logging.config
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from core.settings import Settings

REDACTIONS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(sk_(?:test|live)_)[A-Za-z0-9]+"), r"\1***"),
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=_-]+"), r"\1***"),
    (re.compile(r"([?&]t=|/connect#)[A-Za-z0-9_-]+"), r"\1***"),
    (re.compile(r"\b(\d{6,12}:)[A-Za-z0-9_-]{30,}"), r"\1***"),  # a Telegram bot's token
    (re.compile(r"(://[^/@\s:]*:)[^/@\s]+(?=@)"), r"\1***"),
    (re.compile(r"(?i)\b((?:x-signature|webhook-signature|authorization|cookie)\W{1,8})[^\"'\\\r\n}]+"), r"\1***"),
    # a key or a signature; ids of blocks and transactions have as many digits, and are named as such
    (re.compile(
        r"(?i)((?:txid|transaction|transfer|block|now has)\W{1,6})?(?<![0-9a-z])"
        r"(?:[0-9a-f]{64}){1,2}(?![0-9a-z])"
    ), lambda found: found[0] if found[1] else "***"),
)
SHORTEST = 8  # of a secret in the settings: a shorter one would black out half of every line
QUIET = ("alembic", "werkzeug", "urllib3")  # libraries that tell at INFO what nobody asked
GUNICORN = ("gunicorn.error", "gunicorn.access")  # would else print past our formatter


def configure_logging(*, level: str, log_format: str, secrets: Sequence[str] = ()) -> None:
    """Send everything that this process logs to stderr; call it once, at the start.

    secrets: blacked out wherever they stand; see `secrets_in`.
    """
    logging.config.dictConfig(logging_config(level=level, log_format=log_format, secrets=secrets))


def logging_config(*, level: str, log_format: str, secrets: Sequence[str] = ()) -> dict[str, Any]:
    """Describe the logging for `logging.config`; the web server takes the same description."""
    quiet: dict[str, Any] = {name: {"level": "WARNING"} for name in QUIET}
    ours: dict[str, Any] = {name: {"handlers": [], "propagate": True} for name in GUNICORN}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _formatter, "log_format": log_format, "secrets": secrets}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": quiet | ours,
    }


def secrets_in(settings: Settings) -> tuple[str, ...]:
    """List what the settings hold that no line may show, as it stands there and as it may be written elsewhere."""
    urls = [urlsplit(url).password or "" for url in (settings.database_url, settings.redis_url)]
    node_keys = [key for node in settings.network.nodes for key in node.api_keys]
    keys = [spelled for _, key in settings.master_keys for spelled in (b64encode(key).decode(), key.hex())]
    found = {settings.metrics_token, *urls, *map(unquote, urls), *node_keys, *keys}
    return tuple(sorted((secret for secret in found if len(secret) >= SHORTEST), key=len, reverse=True))


def redacted(line: str, secrets: Sequence[str] = ()) -> str:
    """Take every secret out of a line."""
    for secret in secrets:
        line = line.replace(secret, "***")
    for pattern, replacement in REDACTIONS:
        line = pattern.sub(replacement, line)
    return line


def _formatter(log_format: str, secrets: Sequence[str] = ()) -> structlog.stdlib.ProcessorFormatter:
    if log_format == "json":  # tracebacks as text: structured ones would carry local variables, keys among them
        renderers: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    else:
        plain = structlog.dev.plain_traceback
        renderers = [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=plain)]

    def redact(_logger: object, _method: str, line: object) -> str:
        return redacted(str(line), secrets)

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers, redact],
    )

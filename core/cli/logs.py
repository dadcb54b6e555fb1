"""Logging, configured once at the roof of each process: one line an event on stderr, as JSON or as text.

What leaves here is redacted as a whole line, tracebacks included, so that no caller has to remember to: secret keys,
webhook secrets, page tokens, and passwords in URLs.
"""

from __future__ import annotations

import logging.config
import re
from typing import Any

import structlog

REDACTIONS = (
    (re.compile(r"\b(sk_(?:test|live)_)[A-Za-z0-9]+"), r"\1***"),
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=_-]+"), r"\1***"),
    (re.compile(r"([?&]t=)[A-Za-z0-9_-]+"), r"\1***"),
    (re.compile(r"(://[^/@\s:]*:)[^/@\s]+(?=@)"), r"\1***"),
)
QUIET = ("alembic", "werkzeug", "urllib3")  # libraries that tell at INFO what nobody asked
GUNICORN = ("gunicorn.error", "gunicorn.access")  # would else print past our formatter


def configure_logging(*, level: str, log_format: str) -> None:
    """Send everything that this process logs to stderr; call it once, at the start."""
    logging.config.dictConfig(logging_config(level=level, log_format=log_format))


def logging_config(*, level: str, log_format: str) -> dict[str, Any]:
    """Describe the logging for `logging.config`; the web server takes the same description."""
    quiet: dict[str, Any] = {name: {"level": "WARNING"} for name in QUIET}
    ours: dict[str, Any] = {name: {"handlers": [], "propagate": True} for name in GUNICORN}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _formatter, "log_format": log_format}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": quiet | ours,
    }


def redacted(line: str) -> str:
    """Take every secret out of a line."""
    for pattern, replacement in REDACTIONS:
        line = pattern.sub(replacement, line)
    return line


def _formatter(log_format: str) -> structlog.stdlib.ProcessorFormatter:
    if log_format == "json":  # tracebacks as text: structured ones would carry local variables, keys among them
        renderers: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    else:
        plain = structlog.dev.plain_traceback
        renderers = [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=plain)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers, _redact],
    )


def _redact(_logger: object, _method: str, line: object) -> str:
    return redacted(str(line))

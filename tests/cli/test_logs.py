"""O5: what leaves through the log holds no secret, in either format."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from core.cli.logs import logging_config, redacted

SECRETS = (
    "sk_live_Y34kcQkRLW4VgkEU4qRuHnPmHom1lGNbADOIX17J",
    "sk_test_pHQdPIjbTiOVxgSFVhsfN719W04ptSO86xjY3RnF",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw+/8=",
)
TOKEN = "kNfUjqbLzoDdT9eHhp8enQ"


@pytest.mark.parametrize("secret", SECRETS)
def test_o5_a_secret_leaves_only_its_kind(secret: str) -> None:
    kind = secret[: secret.rindex("_", 0, 9) + 1]

    assert redacted(f"called with {secret}.") == f"called with {kind}***."


@pytest.mark.parametrize("line", [f"GET /pay/?id=5&t={TOKEN} HTTP/1.1", f'"/pay/status?t={TOKEN}&id=5"'])
def test_o5_a_page_token_is_blacked_out(line: str) -> None:
    assert TOKEN not in redacted(line)
    assert "id=5" in redacted(line)


def test_o5_a_password_in_a_url_is_blacked_out() -> None:
    assert redacted("postgresql+psycopg://hub:s3cr:et@db/hub") == "postgresql+psycopg://hub:***@db/hub"
    assert redacted("http://127.0.0.1:80/?id=1 mail@example.com") == "http://127.0.0.1:80/?id=1 mail@example.com"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_o5_tracebacks_and_extras_are_redacted_too(log_format: str) -> None:
    lines = _logged(log_format)

    assert [secret for secret in (*SECRETS, TOKEN) if secret in lines] == []
    assert "payment_id" in lines
    assert "ValueError" in lines


def test_json_lines_are_documents_with_time_level_and_logger() -> None:
    first = json.loads(_logged("json").splitlines()[0])

    assert (first["level"], first["logger"], first["payment_id"]) == ("info", "core.x", 5)
    assert first["timestamp"].endswith("Z")


def test_gunicorn_prints_nothing_past_our_formatter() -> None:
    config = logging_config(level="INFO", log_format="json")

    assert config["loggers"]["gunicorn.error"] == {"handlers": [], "propagate": True}


PROGRAM = """
import logging, sys
from core.cli.logs import configure_logging
configure_logging(level="INFO", log_format=sys.argv[1])
log = logging.getLogger("core.x")
log.info("asked %s", sys.argv[2], extra={"payment_id": 5, "note": sys.argv[3]})
log.debug("not shown")
def fail(secret):
    raise ValueError(secret)
try:
    fail(sys.argv[4])
except ValueError:
    log.exception("failed")
"""


def _logged(log_format: str) -> str:
    """Log in a process of its own: logging is configured for a whole process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, log_format, f"/pay/?id=1&t={TOKEN}", SECRETS[0], SECRETS[2]],
        capture_output=True, text=True, check=True,
    )
    assert logging.getLogger("core.x").handlers == []
    return done.stderr

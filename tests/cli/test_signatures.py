"""`paywharf signature explain` over a real hub: it knows the key's secrets and says none."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from core.hub import Hub
from core.testing.factories import make_shop
from tests.cli.conftest import Run


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_names_the_mistake(hub: Hub, run: Run, tmp_path):
    keys = make_shop(hub).keys
    body = tmp_path / "body"
    body.write_bytes(b'{"order_id": "A"}')
    wrong = hmac.new(keys["test"].secret.encode(), body.read_bytes(), hashlib.sha256).hexdigest()
    asked = ["signature", "explain", "--key", keys["live"].public_key, "--body", str(body), "--signature"]

    mixed = run(*asked, wrong)
    right = run(*asked, hmac.new(keys["live"].secret.encode(), body.read_bytes(), hashlib.sha256).hexdigest())
    unknown = run("signature", "explain", "--key", "pk_nobody", "--signature", wrong)

    assert mixed.output.strip() == "It was signed with the test secret, though the key is live."
    assert (right.exit_code, right.output.strip(), mixed.exit_code) == (0, "The signature is right.", 1)
    assert (unknown.exit_code, "Invalid API key" in unknown.output) == (1, True)
    assert keys["live"].secret not in mixed.output and keys["test"].secret not in mixed.output

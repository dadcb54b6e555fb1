"""The documentation's examples, each run by its real interpreter against a hub that is served over HTTP (Z4, W9)."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from core.clock import ManualClock, SystemClock
from core.hub import Hub
from core.testing.factories import Shop

FOLDER = Path(__file__).parents[3] / "core" / "api" / "snippets"
INTERPRETERS = {"curl": ["bash"], "php": ["php"], "python": ["python3"], "javascript": ["node"]}
NAMES = sorted(path.name for path in FOLDER.iterdir())


def test_every_language_has_both_apis():
    assert NAMES == sorted(f"{api}.{language}" for api in ("compat", "v1") for language in INTERPRETERS)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_as_it_stands(app: Flask, hub: Hub, shop: Shop, name: str):
    assert isinstance(hub.clock, ManualClock)
    hub.clock = SystemClock()
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    key = shop.keys["test"]
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HUB": f"http://127.0.0.1:{server.server_port}",
        "KEY": key.public_key, "SECRET": key.secret,
    }

    done = subprocess.run(
        [*INTERPRETERS[name.split(".")[1]], FOLDER / name], env=environment, capture_output=True, text=True, timeout=30
    )
    server.shutdown()
    thread.join()
    server.server_close()

    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["ok"] for answer in answers] == [True] * len(answers)
    assert (answers[0]["payment"]["order_id"], answers[0]["payment"]["is_test"]) == ("ORDER_12345", True)
    if name.startswith("v1."):
        assert answers[1]["payments"][0]["payment_id"] == answers[0]["payment"]["payment_id"]

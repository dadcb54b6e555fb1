"""Who sends in these tests: this thread, or with `--executor rq` a worker that is woken through a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outbox import kit
from tests.workers.redis_server import RedisServer


@pytest.fixture(scope="module")
def rq_sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Sender]:
    """What sends through a Redis of this module's own."""
    folder: Path = tmp_path_factory.mktemp("redis")
    server = RedisServer(folder)
    server.start()
    yield kit.through_rq(server.url)
    server.kill()


@pytest.fixture(autouse=True)
def sender(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the chosen sender in place."""
    if request.config.getoption("--executor") == "rq":
        monkeypatch.setattr(kit, "SENDER", request.getfixturevalue("rq_sender"))

"""The channels' tests run on SQLite; those that a database's own behaviour decides say `on_both`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import _empty


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database with the schema in it."""
    if request.param == "sqlite":
        path = tmp_path / "hub.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgresql_url")
    _empty(url)
    return url

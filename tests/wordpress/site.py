"""A real WordPress in a folder of its own, with a shop and the plugin installed from its zip.

The shop is our stand-in, or the WooCommerce of the folder that WP_DIR names; that folder is copied, never changed. The
database is SQLite, or the empty one of a MariaDB that WP_DB names: user:password@host/name; a socket's path is a host.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

HERE = Path(__file__).parent
LAB = HERE.parent.parent / ".tools" / "wordpress"
PLUGIN = "paywharf/paywharf.php"
WORKERS = "4"
CONFIG = """<?php
define( 'DB_NAME', '%(name)s' ); define( 'DB_USER', '%(user)s' ); define( 'DB_PASSWORD', '%(password)s' );
define( 'DB_HOST', '%(db_host)s' ); define( 'DB_CHARSET', 'utf8' ); define( 'DB_COLLATE', '' );
define( 'DB_DIR', __DIR__ . '/wp-content/' . ( getenv( 'SITE_DATABASE' ) ?: 'database' ) . '/' );
define( 'DB_FILE', 'site.sqlite' );
foreach ( array( 'AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT',
    'LOGGED_IN_SALT', 'NONCE_SALT' ) as $name ) { define( $name, '%(token)s' . $name ); }
$table_prefix = 'wp_';
define( 'WP_HOME', 'http://%(host)s' ); define( 'WP_SITEURL', WP_HOME );
define( 'WP_HTTP_BLOCK_EXTERNAL', true ); define( 'WP_ACCESSIBLE_HOSTS', '127.0.0.1,localhost' );
define( 'DISABLE_WP_CRON', true ); define( 'AUTOMATIC_UPDATER_DISABLED', true ); define( 'FS_METHOD', 'direct' );
define( 'WP_DEBUG', true ); define( 'WP_DEBUG_DISPLAY', false );
define( 'WP_DEBUG_LOG', __DIR__ . '/wp-content/debug.log' );
define( 'WP_MEMORY_LIMIT', '512M' );
define( 'BENCH_TOKEN', '%(token)s' );
if ( ! defined( 'ABSPATH' ) ) { define( 'ABSPATH', __DIR__ . '/' ); }
require_once ABSPATH . 'wp-settings.php';
"""


@dataclass(slots=True)
class Site:
    """A shop that runs, and the tests' hands inside it."""

    folder: Path
    host: str
    token: str = field(repr=False)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Give the shop's address."""
        return f"http://{self.host}"

    @property
    def zip_path(self) -> Path:
        """Say where the plugin's zip lies, as it was downloaded."""
        return self.folder.parent / f"{self.folder.name}-paywharf.zip"

    def do(self, act: str, **given: object) -> Any:
        """Let the bench inside WordPress do one act."""
        answer = requests.post(
            f"{self.url}/", json={"act": act, "given": given}, headers={"X-Bench": self.token}, timeout=60
        )
        said = f"{act}: {answer.status_code} {answer.text[:2000]}"
        assert answer.status_code == 200 and answer.text.startswith("{"), said
        return answer.json()["value"]

    def order(self, order_id: int) -> dict[str, Any]:
        """Read an order anew."""
        return self.do("order", id=order_id)

    def run(self, script: str, *arguments: str, **env: str) -> str:
        """Run one of the set-up scripts; it must succeed."""
        done = subprocess.run(
            ["php", "-d", "display_errors=stderr", "-d", "memory_limit=1G", str(HERE / "php" / script), *arguments],
            env={"PATH": os.environ["PATH"], "SITE_DIR": str(self.folder), "SITE_HOST": self.host, **env},
            capture_output=True, text=True, timeout=300,
        )
        assert done.returncode == 0, f"{script} {arguments}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def start(self) -> None:
        """Serve it, with several workers: one would wait for itself when the hub calls back."""
        options = ["-d", "memory_limit=512M", "-S", self.host, "-t", str(self.folder)]
        command = ["php", *options, str(HERE / "php" / "router.php")]
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, env={"PATH": os.environ["PATH"], "PHP_CLI_SERVER_WORKERS": WORKERS},
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                requests.get(f"{self.url}/wp-includes/version.php", timeout=5)
                return
            except requests.ConnectionError:
                time.sleep(0.1)
        pytest.fail("The shop's server did not start.")

    def stop(self) -> None:
        """Stop the server and its workers, which are a process group of their own."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)

    def copy_database(self, name: str) -> None:
        """Copy the tables, whole even while they are written, into a folder beside theirs."""
        there = self.folder / "wp-content" / name
        there.mkdir()
        with closing(sqlite3.connect(self.folder / "wp-content" / "database" / "site.sqlite")) as tables:
            with closing(sqlite3.connect(there / "site.sqlite")) as copy:
                tables.backup(copy)

    def mails(self) -> list[dict[str, str]]:
        """List the mails that WordPress wanted to send."""
        path = self.folder / "wp-content" / "mails.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def complaints(self) -> list[str]:
        """List what PHP complained about in our plugin."""
        path = self.folder / "wp-content" / "debug.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return [line for line in lines if "plugins/paywharf/" in line or "paywharf" in line and "too early" in line]


def build(folder: Path, *, plugin: bytes) -> Site:
    """Lay the site out, install everything, and start it. plugin: its zip."""
    require_lab()
    given = os.environ.get("WP_DIR")
    core = Path(given).resolve() if given else LAB / "core"
    site = Site(folder, f"127.0.0.1:{_free_port()}", secrets.token_hex(16))
    _copy(core, folder)
    content = folder / "wp-content"
    if not given:
        shutil.copytree(HERE / "standin" / "woocommerce", content / "plugins" / "woocommerce")
    (content / "mu-plugins").mkdir(exist_ok=True)
    shutil.copy(HERE / "php" / "bench.php", content / "mu-plugins" / "bench.php")
    (folder / "wp-config.php").write_text(CONFIG % (_database(content) | {"token": site.token, "host": site.host}))
    site.zip_path.write_bytes(plugin)
    site.run("install.php")
    site.run("setup.php", "shop")
    assert site.run("setup.php", "plugin", str(site.zip_path)).endswith(PLUGIN)
    site.run("setup.php", "shelf", SITE_HPOS=os.environ.get("HPOS", "yes"))
    site.start()
    return site


def require_lab() -> None:
    """Fail clearly where set-up was not run: tests fetch nothing themselves."""
    if not (LAB / "installed.json").exists():
        pytest.fail("WordPress for the tests is not there: run `make setup-test`.")


def _copy(core: Path, folder: Path) -> None:
    """Copy a WordPress without its own configuration, database drop-in and uploads."""
    leave_out = shutil.ignore_patterns("wp-config.php", "db.php", "database", "uploads", ".git", "debug.log")
    shutil.copytree(core, folder, ignore=leave_out, dirs_exist_ok=True, symlinks=False)
    (folder / "wp-content" / "plugins").mkdir(exist_ok=True)


def _database(content: Path) -> dict[str, str]:
    """Say where the tables lie; without a MariaDB, put the SQLite driver in its place."""
    named = re.fullmatch(r"(\w+):(\w*)@([\w./:-]+)/(\w+)", os.environ.get("WP_DB", ""))
    if named is None:
        _use_sqlite(content)
        return {"name": "wordpress", "user": "", "password": "", "db_host": ""}
    host = f"localhost:{named[3]}" if named[3].startswith("/") else named[3]
    return {"name": named[4], "user": named[1], "password": named[2], "db_host": host}


def _use_sqlite(content: Path) -> None:
    """Put WordPress' SQLite driver in place of MySQL."""
    driver = LAB / "sqlite-database-integration"
    text = (driver / "db.copy").read_text()
    for name, wanted in (("{SQLITE_IMPLEMENTATION_FOLDER_PATH}", str(driver)), ("{SQLITE_PLUGIN}", "sqlite/load.php")):
        text = text.replace(name, wanted)
    (content / "db.php").write_text(text)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port

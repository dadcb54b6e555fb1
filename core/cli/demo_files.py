"""The two files of a demo in its data folder: settings for every later command, and keys for every client.

Both hold secrets or lead to them: readable by their owner only, and never half-written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import ENV_FILE, PREFIX
from core.errors import MisconfiguredHub

DEMO_FILE = "demo.json"
MARK = "# Written by `paywharf demo` at each start: development settings, never for real money."


@dataclass(frozen=True, slots=True)
class DemoUrls:
    """Where the demo listens: hub, devnet, shop and imitated messenger, on neighbouring ports."""

    port: int

    @property
    def hub(self) -> str:
        """Give the hub's base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def devnet(self) -> str:
        """Give the devnet's base URL."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def shop(self) -> str:
        """Give the shop's base URL, which is its project's website."""
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def bot_api(self) -> str:
        """Give the imitated messenger's base URL."""
        return f"http://127.0.0.1:{self.port + 3}"

    @property
    def webhook(self) -> str:
        """Give where the shop takes webhooks."""
        return f"{self.shop}/webhook"


def demo_settings(urls: DemoUrls, *, usdt_contract: str) -> dict[str, str]:
    """Choose the settings of a demo hub, by name without prefix."""
    return {
        "NETWORK": "devnet",
        "NODE_URL": urls.devnet,
        "SOLID_NODE_URL": urls.devnet,
        "GENESIS_ID": "",
        "USDT_CONTRACT": usdt_contract,
        "BASE_URL": urls.hub,
        "POLL_INTERVAL_S": "0.5",
        "EGRESS_ALLOW": "127.0.0.1/32",
        "DEV_LOOPBACK_WEBSITES": "true",
        "RATE_TABLE": "EUR:0.92,GBP:0.79,JPY:155.2",  # so that prices in euros can be tried without a connection
        "LOG_FORMAT": "text",
    }


def require_demo_folder(folder: Path) -> None:
    """Refuse a data folder whose settings somebody else has written; raises MisconfiguredHub."""
    path = folder / ENV_FILE
    if path.exists() and not path.read_text("utf-8").startswith(MARK):
        raise MisconfiguredHub(f"{path} was not written by the demo: choose another folder with --data-dir.")


def write_settings(folder: Path, settings: Mapping[str, str]) -> None:
    """Write the settings file, so that later commands in this folder talk to the demo."""
    lines = [MARK, *(f"{PREFIX}{name}={value}" for name, value in settings.items())]
    _write(folder / ENV_FILE, "\n".join(lines) + "\n")


def read_demo(folder: Path) -> dict[str, Any]:
    """Read demo.json; an absent or damaged one is empty."""
    try:
        found = json.loads((folder / DEMO_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_demo(folder: Path, document: Mapping[str, object]) -> None:
    """Write demo.json."""
    _write(folder / DEMO_FILE, json.dumps(document, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, private from its first byte."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

"""Brings the demo up in order: devnet, settings, schema, project, demo.json, hub, shop, chat; keeps it running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.cli.demo_bot import SELLER, YOURS, demo_bot_document, ensure_demo_bot
from core.cli.demo_files import (
    DEMO_FILE, DemoUrls, demo_settings, read_demo, require_demo_folder, write_demo, write_settings,
)
from core.cli.demo_project import ensure_demo_project, require_same_chain
from core.cli.ports import require_free_port
from core.cli.roof import Roof
from core.clock import SystemClock
from core.config import impose
from core.demo import probe
from core.migrations import upgrade
from workers.supervisor import Child, ChildFailed, Signals, Stopped, Supervisor, paywharf, python

Tell = Callable[[dict[str, Any], str], None]
BLOCK_INTERVAL_S = 1  # so that "paid" comes within half a minute
WEB_WORKERS = 2
PATIENCE_S = 120.0  # for each part to come up, on a machine that does much else; a part that ends is told at once
PORT_PATIENCE_S = 6.0  # for a demo that was just killed: its web workers finish a request within 5 s
LOG_FILE = "demo.log"


class Demo:
    """One run of the demo on neighbouring ports, over the data of one folder."""

    def __init__(self, roof: Roof, *, port: int, folder: Path) -> None:
        self._roof = roof
        self._urls = DemoUrls(port)
        self._folder = folder

    def run(self, tell: Tell) -> None:
        """Bring everything up, tell so, and keep it running until a stop signal comes."""
        require_demo_folder(self._folder)
        for port in range(self._urls.port, self._urls.port + 4):
            require_free_port("127.0.0.1", port, patience_s=PORT_PATIENCE_S)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        impose({"DATA_DIR": str(self._folder), "LOG_FORMAT": "text"})
        with (
            (self._folder / LOG_FILE).open("ab") as log,
            Signals() as signals,
            Supervisor(clock=SystemClock(), signals=signals, output=log.fileno()) as supervisor,
        ):
            try:
                document = self._bring_up(supervisor)
                tell(document, summary(document, self._folder))
                supervisor.run()
            except Stopped:
                return
            except ChildFailed as err:
                raise ChildFailed(f"{err.sentence} See {log.name}.") from err

    def _bring_up(self, supervisor: Supervisor) -> dict[str, Any]:
        status = self._start_devnet(supervisor)
        document = self._set_up(status)
        self._start_the_rest(supervisor)
        return document

    def _start_devnet(self, supervisor: Supervisor) -> dict[str, Any]:
        port, url = str(self._urls.port + 1), f"{self._urls.devnet}/devnet/status"
        arguments = ("--port", port, "--block-interval", str(BLOCK_INTERVAL_S))
        supervisor.start(Child("devnet", paywharf("devnet", *arguments)))
        supervisor.wait_until(lambda: probe.is_up(url), what="The devnet", within_s=PATIENCE_S)
        return probe.document(url) or {}

    def _set_up(self, status: dict[str, Any]) -> dict[str, Any]:
        """Write settings, schema, project and demo.json; every step may be repeated after a crash."""
        settings = demo_settings(self._urls, usdt_contract=status["usdt_contract"])
        impose(settings)
        write_settings(self._folder, settings)
        hub = self._roof.bare_hub
        upgrade(hub.database)
        require_same_chain(hub, status["genesis_id"])
        project = ensure_demo_project(hub, self._urls, known=read_demo(self._folder))
        ensure_demo_bot(hub, self._urls, project_id=project["project_id"])
        document = {
            "base_url": self._urls.hub,
            "shop_url": self._urls.shop,
            "devnet_url": self._urls.devnet,
            "usdt_contract": status["usdt_contract"],
            **demo_bot_document(self._urls),
            "webhook_url": self._urls.webhook,
            "wallet": probe.document(f"{self._urls.devnet}/devnet/wallet"),
            **project,
        }
        write_demo(self._folder, document)
        self._roof.close()
        return document

    def _start_the_rest(self, supervisor: Supervisor) -> None:
        web = ("web", "--port", str(self._urls.port), "--workers", str(WEB_WORKERS))
        shop = ("core.demo.shop", "--config", str(self._folder / DEMO_FILE), "--port", str(self._urls.port + 2))
        bots = [word for bot in (SELLER, YOURS) for word in ("--bot", bot.token, bot.username, bot.name)]
        chat = ("core.testing.bot_api", "--port", str(self._urls.port + 3), *bots)
        for child in (
            Child("web", paywharf(*web)),
            Child("watch", paywharf("watch")),
            Child("work", paywharf("work")),
            Child("shop", python("-m", *shop)),
            Child("chat", python("-m", *chat)),
        ):
            supervisor.start(child)
        hub_url, shop_url = f"{self._urls.hub}/healthz", f"{self._urls.shop}/orders"
        chats_url = f"{self._urls.bot_api}/chats/"
        supervisor.wait_until(lambda: probe.is_up(hub_url), what="The hub", within_s=PATIENCE_S)
        supervisor.wait_until(lambda: probe.is_up(shop_url), what="The demo shop", within_s=PATIENCE_S)
        supervisor.wait_until(lambda: probe.is_up(chats_url), what="The imitated chat", within_s=PATIENCE_S)


def summary(document: dict[str, Any], folder: Path) -> str:
    """Write what a newcomer needs to go on."""
    test, live = document["test"], document["live"]
    return f"""
Paywharf is running.

  Demo shop   {document["shop_url"]}   order something and pay with play money
  Demo bot    {document["chat_url"]}   buy in a chat that imitates Telegram
  Hub         {document["base_url"]}
  Devnet      {document["devnet_url"]}   a simulated TRON network, a block a second

  Test keys   {test["key"]}
              {test["secret"]}
  Live keys   {live["key"]}
              {live["secret"]}

A first payment, from another terminal:

  BODY='{{"order_id":"ORDER_1","amount":"50.00"}}'
  SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha256 -hmac {test["secret"]} | sed 's/^.* //')
  curl {document["base_url"]}/api/create-payment.php -d "$BODY" -H 'Content-Type: application/json' \\
    -H 'X-API-Key: {test["key"]}' -H "X-Signature: $SIGNATURE"

All of this is in {folder / DEMO_FILE}, logs are in {folder / LOG_FILE}.
Development settings are on: play money, loopback addresses. Never use this folder for real money.
Ctrl-C stops everything; the next start goes on with the same data.
"""

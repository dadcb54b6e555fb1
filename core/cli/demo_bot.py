"""The demo's bots: one that the hub runs and that sells, and a place for one of your own, in an imitated messenger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.channels import service
from core.cli.demo_files import DemoUrls
from core.hub import Hub
from core.projects.service import get_project


@dataclass(frozen=True, slots=True)
class DemoBot:
    """A bot of the imitated messenger; nobody else knows its token, which is no secret."""

    token: str
    username: str
    name: str

    def chat_url(self, urls: DemoUrls) -> str:
        """Give the page that imitates a chat with it."""
        return f"{urls.bot_api}/chats/{self.username}"


SELLER = DemoBot("4242424242:imitated-bot-of-the-demo-no-secret-AA", "quay_kettle_bot", "Quay & Kettle")
YOURS = DemoBot("4343434343:imitated-bot-of-your-own-no-secret-A", "your_own_bot", "Your own bot")
CATALOGUE = (
    {"code": "beans", "title": "Harbour roast", "price": "12.50"},
    {"code": "mug", "title": "Deckhand mug", "price": "9.90"},
    {"code": "tote", "title": "Quayside tote", "price": "7.60"},
)


def ensure_demo_bot(hub: Hub, urls: DemoUrls, *, project_id: int) -> None:
    """Connect the demo's project to the imitated messenger, or move the connection to these ports."""
    place: dict[str, Any] = {"token": SELLER.token, "bot_api_url": urls.bot_api}
    with hub.database.transaction() as session:
        known = [one for one in service.list_channels(session, project_id=project_id) if one.name == SELLER.name]
        if known:
            service.change_settings(session, hub, known[0], place)
            return
        settings = place | {"catalogue": list(CATALOGUE), "currency": "EUR", "updates": "poll"}
        project = get_project(session, project_id)
        service.connect(session, hub, project, adapter="telegram", name=SELLER.name, settings=settings)


def demo_bot_document(urls: DemoUrls) -> dict[str, Any]:
    """Give the bots' part of demo.json."""
    return {
        "chat_url": SELLER.chat_url(urls),
        "bot_api_url": urls.bot_api,
        "your_bot": {"token": YOURS.token, "chat_url": YOURS.chat_url(urls)},
    }

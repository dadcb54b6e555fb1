"""What the channels' tests share: an adapter for a made-up market, its platform in memory, and rows to look at."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from marshmallow import Schema, fields
from sqlalchemy import select

from core.app import create_app
from core.channels import service
from core.channels.reading import claim_calls, read_call
from core.channels.registry import Registry
from core.contract import (
    Adapter, AdapterError, BadPayload, InboundRequest, InvalidSignature, OrderCanceled, OrderPlaced, PaymentUpdate,
    PlatformEvent, PushResult, Secret,
)
from core.db import Base
from core.hub import Hub
from core.models import Channel, Payment
from core.projects.service import get_project
from core.testing.factories import Shop, make_shop
from tests.conftest import KINDS

SECRET = "market-secret"
on_both = pytest.mark.parametrize("database_url", KINDS, indirect=True)


@dataclass
class Platform:
    """The market's side, in memory. fails: raised by the next calls, one after the other."""

    orders: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[str, int, str]] = field(default_factory=list)
    updates: list[PaymentUpdate] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)
    result: Any = PushResult.DONE
    news: list[tuple[list[PlatformEvent], str | None]] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)

    def trip(self) -> None:
        """Fail as planned."""
        if self.fails:
            raise self.fails.pop(0)


PLATFORM = Platform()


class MarketSettings(Schema):
    """What a market's channel needs."""

    secret = Secret(required=True)
    region = fields.String(load_default="eu")
    webhook_url = fields.String(load_default="")


class Market(Adapter):
    """A market that signs with a shared secret."""

    name = "market"
    settings_schema = MarketSettings
    hears_all = False

    def verify(self, request: InboundRequest) -> str | None:
        wanted = hmac.digest(self.channel.settings["secret"].encode(), request.body, "sha256").hex()
        if not hmac.compare_digest(wanted, request.headers.get("x-market-signature", "")):
            raise InvalidSignature
        return request.headers.get("x-market-delivery")

    def parse(self, request: InboundRequest) -> list[PlatformEvent]:
        PLATFORM.trip()
        told = json.loads(request.body)
        if told["topic"] == "placed":
            amount = PLATFORM.orders.get(told["order"])
            return [OrderPlaced(told["order"], amount, details={"chat": "7"})] if amount else []
        if told["topic"] == "canceled":
            return [OrderCanceled(told["order"], "changed their mind")]
        if told["topic"] == "garbage":
            raise BadPayload("There is no order in it.")
        return []

    def push(self, update: PaymentUpdate) -> PushResult:
        PLATFORM.trip()
        PLATFORM.heard.append((update.order_id, update.number, update.type))
        PLATFORM.updates.append(update)
        return PLATFORM.result  # type: ignore[no-any-return]

    def poll(self, cursor: str | None) -> tuple[list[PlatformEvent], str | None]:
        PLATFORM.trip()
        PLATFORM.cursors.append(cursor)
        return PLATFORM.news.pop(0) if PLATFORM.news else ([], cursor)

    def answers_inline(self, request: InboundRequest) -> bool:
        return request.path == "checkout"

    def check(self) -> str:
        PLATFORM.trip()
        return "The market knows us."

    def webhook_url(self) -> str:
        return str(self.channel.settings["webhook_url"])

    @classmethod
    def settings_from(cls, told: Mapping[str, Any]) -> dict[str, Any]:
        url = told.get("webhook_url")
        if not isinstance(url, str):
            raise BadPayload("webhook_url is required.")
        return {"secret": "of-the-plugin", "webhook_url": url}


class Polled(Market):
    """The same market where it has no webhooks."""

    name = "polled"
    poll_every_s = 60


class All(Market):
    """The same market where it hears of every payment of the project."""

    name = "all"
    hears_all = True
    order_space = ""


@dataclass
class Bench:
    """A hub with a shop that is connected to the market."""

    hub: Hub
    shop: Shop
    channel: Channel
    platform: Platform

    def __post_init__(self) -> None:
        self.client = create_app(hub=self.hub).test_client()

    def call(
        self, topic: str, order: str, *, delivery: str | None = None, path: str = "hook", secret: str = SECRET,
        accept: str = "*/*",
    ) -> Any:
        """Call as the market does."""
        body = json.dumps({"topic": topic, "order": order}).encode()
        headers = {"X-Market-Signature": hmac.digest(secret.encode(), body, "sha256").hex(), "Accept": accept}
        if delivery:
            headers["X-Market-Delivery"] = delivery
        return self.client.post(f"/channels/{self.channel.uid}/{path}", data=body, headers=headers)

    def read(self) -> list[bool]:
        """Read once what waits."""
        return [read_call(self.hub, claim) for claim in claim_calls(self.hub)]

    def rows(self, table: type[Base]) -> Sequence[Any]:
        """Read a table's rows, in order."""
        with self.hub.database.snapshot() as session:
            return session.scalars(select(table).order_by(*table.__table__.primary_key.columns)).all()

    def payments(self) -> list[tuple[str, str, str]]:
        """Read each payment's order, amount and status."""
        return [(one.order_id, one.amount_text, one.status) for one in self.rows(Payment)]

    def row(self) -> Channel:
        """Read the channel anew."""
        with self.hub.database.snapshot() as session:
            return service.get_channel(session, self.channel.uid)


def make_bench(hub: Hub, *, adapter: str = "market", **settings: str) -> Bench:
    """Connect a shop to the market."""
    PLATFORM.__init__()  # type: ignore[misc]
    hub.registry = Registry(adapters={one.name: one for one in (Market, Polled, All)})
    shop = make_shop(hub, webhook_url=None)
    return Bench(hub, shop, add_channel(hub, shop, adapter=adapter, **settings), PLATFORM)


def add_channel(hub: Hub, shop: Shop, *, adapter: str = "market", **settings: str) -> Channel:
    """Connect a shop's project once more."""
    with hub.database.transaction() as session:
        project = get_project(session, shop.project_id)
        return service.connect(
            session, hub, project, adapter=adapter, name="Our market", settings={"secret": SECRET} | settings
        )


def busy(retry_after_s: float | None = None) -> AdapterError:
    """Give the market's "not now"."""
    return AdapterError("The market is busy.", retry_after_s=retry_after_s)

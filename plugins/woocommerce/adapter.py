"""WooCommerce through our WordPress plugin, which connects by a link and opens payments with the project's keys.

It takes the hub's own signed webhooks: the outbox posts to the shop itself, and nothing is pushed from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from marshmallow import Schema, fields

from core.contract import (
    Adapter, AdapterError, BadPayload, Download, InboundRequest, InvalidSignature, PaymentUpdate, PlatformEvent,
    PushResult,
)
from core.errors import GatewayError
from plugins.woocommerce.wordpress_zip import FOLDER, plugin_zip

ABOUT = "Takes USDT in WooCommerce, classic and block checkout. Install it under Plugins, Add New, Upload Plugin."
URL_LIMIT = 2_000
VERSION = re.compile(r"^\s*\*\s*Version:\s*([0-9.]+)\s*$", re.MULTILINE)


class WooCommerceSettings(Schema):
    """Where the shop's plugin is reached; it says so itself when it connects."""

    webhook_url = fields.Url(required=True, schemes={"http", "https"}, require_tld=False)
    webhook_url_twin = fields.Url(load_default="", schemes={"http", "https"}, require_tld=False)
    versions = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)


class WooCommerce(Adapter):
    """A shop with the WordPress plugin."""

    name = "woocommerce"
    settings_schema = WooCommerceSettings
    hears_all = True  # its plugin opens payments with the project's keys
    order_space = ""  # they carry the shop's own mark: wc-14-2abd8720

    def verify(self, request: InboundRequest) -> str | None:
        """Refuse every call: the plugin speaks to /api/v1, which has signatures of its own."""
        raise InvalidSignature

    def parse(self, request: InboundRequest) -> list[PlatformEvent]:
        """Read nothing: no call gets this far."""
        return []

    def push(self, update: PaymentUpdate) -> PushResult:
        """Push nothing: the shop takes webhooks."""
        raise AdapterError("This shop takes webhooks: its channel has no webhook_url.", permanent=True)

    def webhook_url(self) -> str:
        """Give the address that the shop's plugin said."""
        return str(self.channel.settings["webhook_url"])

    def check(self) -> str:
        """Knock without a signature: a plugin that works refuses with 401; one that is off gives 400 or 404."""
        try:
            answer = self.http.send(
                "POST", self.webhook_url(), body=b"{}", headers={"Content-Type": "application/json"}
            )
        except GatewayError as err:
            raise AdapterError(f"The shop cannot be reached: {err.sentence}") from err
        if answer.status == 401:
            return "The shop's plugin answers, and refuses what is not signed."
        if answer.status in (400, 404):
            raise AdapterError(f"The shop answers HTTP {answer.status}: its plugin is off, or its address has changed.")
        raise AdapterError(f"The shop answers HTTP {answer.status} and not the plugin's 401: is a firewall before it?")

    @classmethod
    def settings_from(cls, told: Mapping[str, Any]) -> dict[str, Any]:
        """Keep where the plugin is reached, and which versions it runs on."""
        settings: dict[str, Any] = {"webhook_url": _url(told, "webhook_url")}
        if told.get("webhook_url_twin"):
            settings["webhook_url_twin"] = _url(told, "webhook_url_twin")
        versions = told.get("versions")
        if isinstance(versions, Mapping):
            settings["versions"] = {str(name)[:40]: str(value)[:40] for name, value in list(versions.items())[:20]}
        return settings

    @classmethod
    def downloads(cls) -> Sequence[Download]:
        """Give the WordPress plugin, packed."""
        version = plugin_version()
        return [Download("Paywharf for WooCommerce", version, f"paywharf-{version}.zip", ABOUT, plugin_zip)]


@cache
def plugin_version() -> str:
    """Read the version from the plugin's own header."""
    found = VERSION.search((FOLDER / "paywharf.php").read_text("utf-8"))
    if found is None:
        raise ValueError("the WordPress plugin's header has no Version")
    return found[1]


def _url(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= URL_LIMIT:
        raise BadPayload(f"{name} is required: a URL.")
    return str(value)

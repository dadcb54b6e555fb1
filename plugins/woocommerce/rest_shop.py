"""A WooCommerce shop's own REST API (v3), as far as the adapter without a plugin needs it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from core.contract import AdapterError, Http

FIELDS = "id,status,total,currency,payment_method,transaction_id,date_modified_gmt"
PAGE, MAX_PAGES = 50, 20
GONE = (404, 410)


class Shop:
    """The shop's REST API, as far as it is needed here."""

    def __init__(self, http: Http, settings: Mapping[str, Any]) -> None:
        self._http = http
        self._root = settings["shop_url"].rstrip("/") + "/wp-json/wc/v3"
        self.host = str(urlsplit(self._root).hostname)
        pair = f"{settings['consumer_key']}:{settings['consumer_secret']}"
        self._headers = {
            "Authorization": "Basic " + b64encode(pair.encode()).decode(),
            "Content-Type": "application/json", "Accept": "application/json",
        }

    def order(self, order_id: int) -> Mapping[str, Any] | None:
        """Read an order; None where there is none (any more)."""
        found = self._ask("GET", f"/orders/{order_id}?_fields={FIELDS}", absent=GONE)
        return None if found is None else _mapping(found)

    def newest(self) -> list[Mapping[str, Any]]:
        """Read the order that was changed last, if there is any."""
        return self._orders(order="desc", per_page="1")

    def changed_since(self, moment: str) -> list[Mapping[str, Any]]:
        """List orders by their last change, the oldest first. moment: ISO 8601 in UTC, without a zone."""
        found = list[Mapping[str, Any]]()
        for page in range(1, MAX_PAGES + 1):
            orders = self._orders(order="asc", modified_after=moment, per_page=str(PAGE), page=str(page))
            found += orders
            if len(orders) < PAGE:
                break
        return found

    def _orders(self, **query: str) -> list[Mapping[str, Any]]:
        query |= {"orderby": "modified", "dates_are_gmt": "true", "_fields": FIELDS}
        found = self._ask("GET", f"/orders?{urlencode(query)}")
        if not isinstance(found, list):
            raise AdapterError("The shop did not answer with a list of orders.")
        return [_mapping(order) for order in found]

    def require_writing(self) -> None:
        """See that the key may write, by changing no order: WooCommerce looks at the key's rights first."""
        self._ask("PUT", "/orders/0", {}, absent=(400, 404))  # 400 on WooCommerce 11.0.1

    def offered(self, method: str) -> str | None:
        """Give the title under which a payment method is offered; None where it is not."""
        found = self._ask("GET", f"/payment_gateways/{method}?_fields=title,enabled", absent=GONE)
        gateway = {} if found is None else _mapping(found)
        return str(gateway.get("title") or method) if gateway.get("enabled") is True else None

    def webhooks(self) -> list[Mapping[str, Any]]:
        """List the shop's webhooks, a hundred at most."""
        found = self._ask("GET", "/webhooks?per_page=100&_fields=status,topic,delivery_url")
        return [_mapping(hook) for hook in found] if isinstance(found, list) else []

    def notes(self, order: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """List an order's notes."""
        found = self._ask("GET", f"/orders/{order['id']}/notes?_fields=note")
        return [_mapping(note) for note in found] if isinstance(found, list) else []

    def change(self, order: Mapping[str, Any], changes: Mapping[str, str]) -> None:
        """Change an order."""
        self._ask("PUT", f"/orders/{order['id']}", changes)

    def add_note(self, order: Mapping[str, Any], note: str, *, mail: bool) -> None:
        """Add a note; with `mail` the customer sees it and is mailed it."""
        self._ask("POST", f"/orders/{order['id']}/notes", {"note": note, "customer_note": mail})

    def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, absent: Sequence[int] = ()
    ) -> Any:
        """Ask; None for a status that says there is no such thing."""
        told = b"" if body is None else json.dumps(body).encode()
        answer = self._http.send(method, self._root + path, body=told, headers=self._headers)
        if answer.status in absent:
            return None
        if answer.status in (401, 403):
            raise AdapterError("The shop refuses the API key, or the key lacks the right to read and write.")
        if answer.status == 429 or answer.status >= 500:
            after = answer.headers.get("retry-after", "")
            wait_s = float(after) if after.isascii() and after.isdigit() else None
            raise AdapterError(f"The shop answered HTTP {answer.status}.", retry_after_s=wait_s)
        if not 200 <= answer.status < 300:
            raise AdapterError(f"The shop answered HTTP {answer.status}.", permanent=answer.status != 408)
        try:
            return json.loads(answer.body)
        except ValueError:
            raise AdapterError("The shop did not answer in JSON; is it WordPress with permalinks?") from None


def _mapping(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise AdapterError("The shop's answer has not the form of WooCommerce's REST API.")
    return found

"""An async client of a Paywharf hub's `/api/v1`: invoices and events. It keeps nothing and knows no messenger.

Requests are signed as the hub's documentation says: HMAC-SHA512 over time, nonce, method, target and body.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import httpx

TIMEOUT_S = 10.0
LONG_POLL_S = 20  # how long the hub may hold back an answer that has no event yet; it takes up to 25


class HubError(Exception):
    """A hub did not do what was asked. code: the hub's word for it, or `away`."""

    def __init__(self, sentence: str, code: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.retry_after_s = retry_after_s


class HubRefused(HubError):
    """The hub said no; asking the same again does not help. Compare `code`, as in the hub's list of errors."""


class HubAway(HubError):
    """The hub cannot be reached or is busy; asking the same again may help, and does no harm."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """One request for money, as it stands.

    amount: what is due, in `currency`, which is USDT.   price: what was asked in another currency, as in `9.50 EUR`;
    else empty.   pay_amount: USDT to be sent, exactly.   state: `pending`, `confirming` (seen, not final), `paid`,
    `expired` or `canceled`.   anomaly: `none`, `underpaid`, `overpaid`, `late`, …   fields: all that the hub said.
    """

    payment_id: int
    order_id: str
    state: str
    anomaly: str
    amount: str
    currency: str
    price: str
    pay_amount: str
    address: str
    pay_url: str
    expires_at: str
    txid: str | None
    is_test: bool
    fields: Mapping[str, Any] = field(repr=False)

    @property
    def is_open(self) -> bool:
        """Tell whether it still waits for money."""
        return self.state == "pending"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an invoice, with the invoice as it stands now. event_id: take each once."""

    event_id: str
    type: str
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in the order they happened. cursor: where to go on.   next_in_s: seconds to wait before asking."""

    events: tuple[Event, ...]
    cursor: str
    next_in_s: float


class Hub:
    """One project of a hub, in test or live mode as its key says.

    base_url: the hub's, without a path.   http: a client of your own, if you need a proxy or other limits.
    """

    def __init__(
        self, base_url: str, key: str, secret: str, *, http: httpx.AsyncClient | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._key, self._secret, self._now = key, secret, now
        self._http, self._is_ours = http, http is None

    async def create_invoice(
        self, amount: str, *, order_id: str, currency: str = "USDT", description: str = ""
    ) -> Invoice:
        """Ask for money; asked again with the same order and amount, the same invoice is answered.

        amount: a decimal text such as "9.50".   currency: another one than USDT is quoted by the hub, once.
        order_id: yours, 1 to 64 characters; it identifies the invoice.
        Raises HubRefused, HubAway.
        """
        asked: dict[str, Any] = {"order_id": order_id, "description": description[:255]}
        if currency == "USDT":
            asked["amount"] = amount
        else:
            asked["price"] = {"amount": amount, "currency": currency}
        return _invoice(await self._call("POST", "/payments", asked))

    async def get(self, payment_id: int) -> Invoice:
        """Read an invoice. Raises HubRefused, HubAway."""
        return _invoice(await self._call("GET", f"/payments/{payment_id:d}"))

    async def get_by_order(self, order_id: str) -> Invoice:
        """Read the newest invoice of an order. Raises HubRefused, HubAway."""
        return _invoice(await self._call("GET", f"/payments/by-order?{urlencode({'order_id': order_id})}"))

    async def cancel(self, payment_id: int) -> Invoice:
        """Cancel an invoice that waits for money; money that is on its way still pays it.

        Raises HubRefused (`payment_closed`, `transfer_underway`), HubAway.
        """
        return _invoice(await self._call("POST", f"/payments/{payment_id:d}/cancel"))

    async def events(self, cursor: str | None = None, *, wait_s: int = LONG_POLL_S, limit: int = 50) -> Page:
        """Read what happened after `cursor`, held back until there is something; None: from the oldest event on.

        Raises HubRefused (`invalid_cursor`), HubAway.
        """
        query = {"limit": str(limit), "wait": str(wait_s)} | ({"cursor": cursor} if cursor else {"start": "oldest"})
        page = await self._call("GET", f"/events?{urlencode(query)}", patience_s=wait_s)
        events = tuple(_event(one) for one in page["events"])
        return Page(events, page["next_cursor"], float(page["poll_after_s"]))

    async def event(self, event_id: str) -> Event:
        """Read one event again. Raises HubRefused, HubAway."""
        return _event((await self._call("GET", f"/events/{quote(event_id, safe='')}"))["event"])

    async def close(self) -> None:
        """Close the connections, unless they are your own client's."""
        if self._http is not None and self._is_ours:
            await self._http.aclose()
            self._http = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(
        self, method: str, path: str, asked: Mapping[str, Any] | None = None, *, patience_s: float = 0.0
    ) -> dict[str, Any]:
        target = f"{urlsplit(self.base_url).path}/api/v1{path}"
        body = json.dumps(asked).encode() if asked is not None else b""
        headers = self._signed(method, target, body) | ({"Content-Type": "application/json"} if body else {})
        if self._http is None:
            # The hub is yours: reached directly, past any proxy. Without https no certificates need be loaded.
            self._http = httpx.AsyncClient(trust_env=False, verify=self.base_url.startswith("https:"))
        try:
            answer = await self._http.request(
                method, f"{self.base_url}/api/v1{path}", content=body, headers=headers,
                timeout=httpx.Timeout(TIMEOUT_S, read=TIMEOUT_S + patience_s), follow_redirects=False,
            )
            said = answer.json()
        except (httpx.HTTPError, ValueError) as err:
            raise HubAway(f"The hub cannot be reached: {type(err).__name__}.", "away") from err
        return _checked(answer, said)

    def _signed(self, method: str, target: str, body: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(self._now())), secrets.token_urlsafe(18)
        text = f"v1\n{timestamp}\n{nonce}\n{method}\n{target}\n".encode() + body
        signature = hmac.digest(self._secret.encode(), text, "sha512").hex()
        return {
            "X-API-Key": self._key, "X-Timestamp": timestamp, "X-Nonce": nonce, "X-Signature": f"v1={signature}",
        }


def _checked(answer: httpx.Response, said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise HubAway("The hub answered something that is not a hub's.", "away")
    if said.get("ok") is True:
        return said
    sentence, code = str(said.get("error", answer.status_code)), str(said.get("code", "away"))
    if answer.status_code == 429 or answer.status_code >= 500 or code == "idempotency_in_flight":
        wait = answer.headers.get("Retry-After", "")
        raise HubAway(sentence, code, retry_after_s=float(wait) if wait.isdecimal() else None)
    raise HubRefused(sentence, code)


def _event(said: Mapping[str, Any]) -> Event:
    return Event(said["event_id"], said["type"], _invoice({"payment": said["payment"]}))


def _invoice(said: Mapping[str, Any]) -> Invoice:
    shown = said["payment"]
    price = shown.get("price")
    return Invoice(
        payment_id=shown["payment_id"], order_id=shown["order_id"], state=shown["state"], anomaly=shown["anomaly"],
        amount=shown["amount"], currency=shown["currency"], pay_amount=shown["pay_amount"],
        price=f"{price['amount']} {price['currency']}" if price else "",
        address=shown["address"], pay_url=shown["payment_url"], expires_at=shown["expires_at"],
        txid=shown["txid"], is_test=shown["is_test"], fields=shown,
    )

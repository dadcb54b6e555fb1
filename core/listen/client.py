"""Ask a hub for its events and hand each to a program on this machine, signed as its webhook would be.

It knows nothing of the hub but its documented API, so it works against any hub from any desk. Nothing is kept: begun
anew it starts at what happens from then on, or at the oldest event where it is told so.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

WAIT_S = 20  # how long the hub may hold an answer back
TIMEOUT_S = (5, WAIT_S + 10)
FORWARD_TIMEOUT_S = 15  # as long as the hub itself waits for a webhook's answer
PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


class HubRefused(Exception):
    """The hub said no; the text is its sentence. Asking again would not help."""


class HubAway(Exception):
    """The hub cannot be reached now; asking again may help."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One event and what the program here answered; `answer` is None where nothing was forwarded."""

    event_id: str
    kind: str
    order_id: str
    answer: str | None


@dataclass(slots=True)
class Listener:
    """Follows one project's events.

    base_url: of the hub.   key, secret: a key pair of the project, test or live.   forward_to: where each event goes;
    None only tells of it.   kinds: event types, empty for all.   webhook_secret: `whsec_…`, for the headers of Standard
    Webhooks too.   cursor: where to go on; None begins at `start`, `newest` or `oldest`.
    """

    base_url: str
    key: str
    secret: str = field(repr=False)
    forward_to: str | None = None
    kinds: Collection[str] = ()
    webhook_secret: str = field(default="", repr=False)
    start: str = "newest"
    cursor: str | None = None
    has_more: bool = True
    wait_s: int = WAIT_S
    now: Callable[[], float] = time.time

    def step(self) -> tuple[list[Heard], float]:
        """Take the next events and forward them; gives what was heard, and the seconds to wait before the next step.

        Raises HubRefused, HubAway.
        """
        where = {"cursor": self.cursor} if self.cursor else {"start": self.start}
        page = self._get("/api/v1/events", where | {"wait": str(self.wait_s)})
        self.has_more = page["has_more"]
        heard = []
        for event in page["events"]:
            if not self.kinds or event["type"] in self.kinds:
                heard.append(Heard(event["event_id"], event["type"], event["payment"]["order_id"], self._hand(event)))
        self.cursor = page["next_cursor"]
        return heard, float(page["poll_after_s"])

    def _get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        target = f"{path}?{urlencode(query)}"
        try:
            answer = requests.get(
                self.base_url.rstrip("/") + target, headers=self._signed(target), timeout=TIMEOUT_S,
                allow_redirects=False,
            )
            said: dict[str, Any] = answer.json()
        except (requests.RequestException, ValueError) as err:
            raise HubAway(f"The hub cannot be reached: {type(err).__name__}.") from err
        if answer.status_code >= 500 or answer.status_code == 429:
            raise HubAway(str(said.get("error", answer.status_code)))
        if not said.get("ok"):
            raise HubRefused(str(said.get("error", answer.status_code)))
        return said

    def _signed(self, target: str) -> dict[str, str]:
        """Sign a GET as the documentation of /api/v1 says."""
        timestamp, nonce = str(int(self.now())), secrets.token_urlsafe(18)
        text = f"v1\n{timestamp}\n{nonce}\nGET\n{target}\n".encode()
        signature = hmac.digest(self.secret.encode(), text, "sha512").hex()
        return {
            "X-API-Key": self.key, "X-Timestamp": timestamp, "X-Nonce": nonce, "X-Signature": f"v1={signature}",
        }

    def _hand(self, event: dict[str, Any]) -> str | None:
        """Forward one event; what came back, in a few words."""
        if self.forward_to is None:
            return None
        body = event["webhook_body"].encode()
        headers = {"Content-Type": "application/json", "X-Signature": hmac.digest(
            self.secret.encode(), body, "sha256").hex()} | self._standard_headers(event["event_id"], body)
        try:
            answer = requests.post(
                self.forward_to, data=body, headers=headers, timeout=FORWARD_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as err:
            return type(err).__name__
        return f"HTTP {answer.status_code}"

    def _standard_headers(self, event_id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self.now()))
        headers = {"webhook-id": event_id, "webhook-timestamp": timestamp}
        if not self.webhook_secret:
            return headers
        key = base64.b64decode(self.webhook_secret.removeprefix("whsec_"))
        signature = hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, "sha256")
        return headers | {"webhook-signature": "v1," + base64.b64encode(signature).decode()}


def follow(listener: Listener, *, say: Callable[[str], None], wait: Callable[[float], bool]) -> None:
    """Listen until `wait` says so, through the hub's absences; each event is one line.

    wait: pauses for the given seconds; True ends it. Raises HubRefused.
    """
    pause_s = PAUSE_S
    while True:
        try:
            heard, next_in_s = listener.step()
        except HubAway as err:
            say(f"{err} Trying again in {pause_s:.0f} s.")
            next_in_s, pause_s = pause_s, min(2 * pause_s, LONGEST_PAUSE_S)
        else:
            pause_s = PAUSE_S
            _tell(heard, say)
        if wait(next_in_s):
            return


def list_all(listener: Listener, *, say: Callable[[str], None]) -> None:
    """Tell of what has happened up to now, one line an event; raises HubRefused, HubAway."""
    listener.wait_s = 0
    while listener.has_more:
        _tell(listener.step()[0], say)


def _tell(heard: list[Heard], say: Callable[[str], None]) -> None:
    for one in heard:
        said = {"event_id": one.event_id, "type": one.kind, "order_id": one.order_id, "answer": one.answer}
        say(json.dumps(said))

"""Make a node fail on purpose: rules by path and probability, drawn from a seed, so that a failure can be repeated.

The table of what real nodes do is the one of the TRON facts, section 2. Nothing here touches the chain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from threading import Lock
from typing import Any

from core.clock import Clock
from core.devnet.execution import Code
from core.devnet.wire import Json

BUSY = "class java.lang.IllegalAccessException : lack of computing resources"
ANSWERS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "empty": (200, b"", {}),  # [] or {}, whichever the honest answer's type is
    "busy": (200, json.dumps({"Error": BUSY}).encode(), {}),
    "error": (200, b'{"Error":"class java.lang.NullPointerException : null"}', {}),
    "rate_limited": (429, b"", {"Retry-After": "1"}),
    "frequency": (
        403, b'{"Error":"The key exceeds the frequency limit(15), and the query server is suspended for 30s"}', {}
    ),
    "daily": (403, b'{"Error":"Exceed the user daily usage (100000)"}', {}),
    "bad_gateway": (502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {"Content-Type": "text/html"}),
    "unavailable": (503, b"upstream connect error", {"Content-Type": "text/plain"}),
    "lite": (200, b"this API is closed because this node is a lite fullnode", {"Content-Type": "text/plain"}),
    "not_found": (404, b'{"Error":"this API is unavailable due to config"}', {}),
}
GIVEN = ("path", "kind", "probability", "times", "view", "seconds", "lasts", "blocks", "code")
SHOWN = (*GIVEN, "fired", "calls")
KINDS = (
    *ANSWERS, "truncated", "cut", "stuck", "hang", "slow", "accept_then_hang", "lag", "refused", "wrong_txid",
    "wrong_time",
)
SLOT_MS = 3000
BROADCASTS = ("broadcasttransaction", "broadcasthex")


@dataclass(slots=True)
class Rule:
    """One way to fail. path: a glob such as `walletsolidity/*`; view: a second view's name, "" for the first.

    probability: 0 to 1, drawn per call.   times: at most so often; 0: without end.   seconds: for slow and hang.
    lasts: seconds that it goes on striking once it has.   blocks: for lag.
    code: for refused, in the words of a refused broadcast.
    """

    path: str
    kind: str
    probability: float = 1.0
    times: int = 0
    view: str | None = None
    seconds: float = 1.0
    lasts: float = 0.0
    blocks: int = 1
    code: str = Code.SERVER_BUSY
    fired: int = field(default=0)
    calls: int = field(default=0)
    until_s: float = field(default=float("-inf"))

    def keeps_from(self, path: str) -> bool:
        """Tell whether the node fails before it has done what it was asked: the broadcast is then not taken."""
        return path.rpartition("/")[2] in BROADCASTS and (self.kind in ANSWERS or self.kind == "hang")


class Faults:
    """The rules in force, and how often each path was asked; safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rules: list[Rule] = []
        self._seed = 0
        self._lock = Lock()
        self.requests: dict[str, int] = {}

    def set(self, rules: Sequence[Json], *, seed: int = 0) -> None:
        """Replace all rules; raises ValueError for one that makes no sense."""
        made = [_rule(rule) for rule in rules]
        with self._lock:
            self._rules, self._seed = made, seed

    def describe(self) -> list[Json]:
        """List the rules with how often each was looked at and fired."""
        with self._lock:
            return [{name: getattr(rule, name) for name in SHOWN} for rule in self._rules]

    def choose(self, *, path: str, view: str) -> Rule | None:
        """Count a call, and choose the first rule that strikes it."""
        with self._lock:
            name = f"{view}/{path}" if view else path
            self.requests[name] = self.requests.get(name, 0) + 1
            for number, rule in enumerate(self._rules):
                if self._strikes(rule, number, path=path, view=view):
                    rule.fired += 1
                    return rule
        return None

    def _strikes(self, rule: Rule, number: int, *, path: str, view: str) -> bool:
        if not fnmatchcase(path, rule.path) or (rule.view is not None and rule.view != view):
            return False
        rule.calls += 1
        now_s = self._clock.monotonic()
        if now_s < rule.until_s:
            return True
        if rule.times and rule.fired >= rule.times:
            return False
        digest = sha256(f"{self._seed}:{number}:{rule.calls}".encode()).digest()
        strikes = int.from_bytes(digest[:6]) < rule.probability * 2**48
        rule.until_s = now_s + rule.lasts if strikes else rule.until_s
        return strikes


def faulty_answer(rule: Rule, honest: bytes, *, path: str) -> tuple[int, bytes, dict[str, str]]:
    """Give status, body and headers of a failed call, made from the honest answer where that matters."""
    if rule.kind == "empty":
        return 200, b"[]" if honest[:1] == b"[" else b"{}", {}
    if rule.kind == "truncated":
        return 200, honest[: len(honest) // 2], {}
    if rule.kind == "wrong_txid":
        return 200, json.dumps(_renamed(json.loads(honest))).encode(), {}
    if rule.kind == "wrong_time":
        return 200, json.dumps(_delayed(json.loads(honest))).encode(), {}
    status, body, headers = ANSWERS.get(rule.kind, (200, honest, {}))
    return status, _as_trongrid(status, body) if path.startswith("v1/") else body, headers


def _renamed(document: Any) -> Any:
    """Replace every transaction id in an answer by another."""
    if isinstance(document, list):
        return [_renamed(entry) for entry in document]
    if not isinstance(document, dict):
        return document
    return {
        name: sha256(value.encode()).hexdigest() if name in ("txID", "txid") else _renamed(value)
        for name, value in document.items()
    }


def _delayed(document: Any) -> Any:
    """Move the block time of transactions: another fork's at the same height, behind a load balancer."""
    infos = document if isinstance(document, list) else [document]
    for info in infos:
        if isinstance(info, dict) and "blockTimeStamp" in info:
            info["blockTimeStamp"] += SLOT_MS
    return document


def _as_trongrid(status: int, body: bytes) -> bytes:
    """Word an error as TronGrid's own paths do."""
    if not body.startswith(b'{"Error"'):
        return body
    return json.dumps({"success": False, "error": json.loads(body)["Error"], "statusCode": status}).encode()


def _rule(given: Any) -> Rule:
    if not isinstance(given, dict) or not set(given) <= set(GIVEN):
        raise ValueError(f"a rule has path and kind, and perhaps {', '.join(GIVEN[2:])}")
    rule = Rule(**given)
    sound = (
        isinstance(rule.path, str) and rule.kind in KINDS and isinstance(rule.probability, int | float)
        and 0 <= rule.probability <= 1 and isinstance(rule.times, int) and rule.times >= 0
        and all(isinstance(time, int | float) and 0 <= time <= 600 for time in (rule.seconds, rule.lasts))
        and type(rule.blocks) is int and 0 <= rule.blocks <= 1000 and rule.code in [str(code) for code in Code]
    )
    if not sound:
        raise ValueError(f"a rule's kind is one of {', '.join(KINDS)}; its probability is between 0 and 1")
    return rule

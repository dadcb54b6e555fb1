"""A bound on what one address may ask of one web process: what costs it least, before anything else is looked at.

Kept in memory: it protects the process from a flood. The rate of an API key, which all processes count together, is
`core.api.v1.admission`'s.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from threading import Lock

from flask import Request

from core.clock import Clock
from core.errors import TooManyRequests

BURST_S = 10  # so many seconds' worth at once
REMEMBERED = 20_000  # visitors; who has asked least of late is forgotten first


class Throttle:
    """Counts each visitor's requests with one number: when its bucket will be full again (GCRA)."""

    def __init__(self, clock: Clock, *, per_minute: int) -> None:
        self._clock = clock
        self._step_ms = max(1, 60_000 // per_minute)
        self._most_ms = max(BURST_S * 1000, self._step_ms)
        self._full_at_ms: dict[str, int] = {}
        self._lock = Lock()

    def take(self, visitor: str) -> None:
        """Take one request; raises TooManyRequests, and then none is taken. The nameless are not counted."""
        if not visitor:
            return
        now_ms = round(self._clock.monotonic() * 1000)
        with self._lock:
            full_at_ms = max(self._full_at_ms.pop(visitor, now_ms), now_ms) + self._step_ms
            if full_at_ms - now_ms <= self._most_ms:
                self._remember(visitor, full_at_ms)
                return
            self._remember(visitor, full_at_ms - self._step_ms)
        refusal = TooManyRequests()
        refusal.retry_after_s = -(-(full_at_ms - now_ms - self._most_ms) // 1000)
        raise refusal

    def _remember(self, visitor: str, full_at_ms: int) -> None:
        self._full_at_ms[visitor] = full_at_ms
        if len(self._full_at_ms) > REMEMBERED:
            del self._full_at_ms[next(iter(self._full_at_ms))]


def visitor_of(incoming: Request) -> str:
    """Name the visitor whose tries are counted: an IPv4 address, or the /64 that one IPv6 household has.

    Empty where everybody would have the same: on loopback, behind a proxy that the operator has not declared.
    """
    try:
        address = ip_address(incoming.remote_addr or "")
    except ValueError:
        return ""
    if address.is_loopback:
        return ""
    return str(address) if address.version == 4 else str(ip_network(f"{address}/64", strict=False))

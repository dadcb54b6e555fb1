"""The API keys of one provider: each has a pace and a budget of its own, and what is said of one binds it alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from core.chain.failures import FailureKind, NodeFailure
from core.chain.pacing import Pacer

BUSY_QPS, BUSY_FOR_S = 4.0, 60.0  # after a rate limit: half our default rate for a minute
QUOTA_QPS, QUOTA_FOR_S = 1.0, 3600.0  # TronGrid serves one request a second once the daily quota is spent
OF_ONE_KEY = (FailureKind.KEY_SUSPENDED, FailureKind.DAILY_QUOTA, FailureKind.PAUSED)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Key:
    """One API key, or none at all (an empty secret), and its pace."""

    secret: str = field(repr=False)
    pacer: Pacer


class KeyRing:
    """Chooses the key that is free soonest; safe to share between threads."""

    def __init__(self, secrets: Sequence[str], make_pacer: Callable[[], Pacer]) -> None:
        self._keys = [_Key(secret, make_pacer()) for secret in secrets or ("",)]

    @property
    def is_spent(self) -> bool:
        """Tell whether no key has anything left of its daily budget."""
        return all(key.pacer.is_spent for key in self._keys)

    def use(self, send: Callable[[str], T]) -> T:
        """Send with one key; where the node refuses that one alone, the next one is tried at once.

        send: takes the secret, "" for none. Raises NodeFailure.
        """
        refused: NodeFailure | None = None
        for key in sorted(self._keys, key=lambda key: key.pacer.wait_s()):
            try:
                return _use(key, send)
            except NodeFailure as failure:
                if failure.kind not in OF_ONE_KEY:
                    raise
                refused = refused or failure
        assert refused is not None
        raise refused


def _use(key: _Key, send: Callable[[str], T]) -> T:
    pause_s = key.pacer.take()
    if pause_s:
        raise NodeFailure(FailureKind.PAUSED, retry_in_s=pause_s)
    try:
        return send(key.secret)
    except NodeFailure as failure:
        _heed(key.pacer, failure)
        raise


def _heed(pacer: Pacer, failure: NodeFailure) -> None:
    """Slow down or pause all callers of one key as the node's answer demands."""
    if failure.kind is FailureKind.RATE_LIMITED:
        pacer.slow_down(qps=BUSY_QPS, for_s=BUSY_FOR_S)
    if failure.kind is FailureKind.DAILY_QUOTA:
        pacer.slow_down(qps=QUOTA_QPS, for_s=QUOTA_FOR_S)
    elif failure.retry_in_s:
        pacer.pause(failure.retry_in_s)

"""What an attempt met, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.models import Endpoint

GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt met; success is 200 to 299 only. headers: of the answer, those worth keeping, in lower case.

    Of an adapter's push, where there is no status: is_taken, whether it is done; notice, what a human must look at
    although it is, and about, its subject; is_permanent, that no other attempt can help; is_odd, that the platform had
    no part in its failure.
    """

    started_at: datetime
    elapsed_ms: int
    http_status: int | None = None
    error: str = ""
    excerpt: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_taken: bool = False
    notice: str = ""
    about: str = ""
    is_permanent: bool = False
    is_odd: bool = False

    @property
    def is_success(self) -> bool:
        """Tell whether the receiver has taken the delivery."""
        return self.is_taken or (self.http_status is not None and 200 <= self.http_status < 300)

    @property
    def retry_after_s(self) -> int:
        """Read how long the receiver asked us to wait: seconds; 0 for anything else, dates included."""
        asked = self.headers.get("retry-after", "")
        return int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else 0


@dataclass(frozen=True, slots=True)
class Landed:
    """An attempt that was written down under its fence; attempts and failures are the row's, this one included."""

    delivery_id: int
    endpoint: Endpoint
    claimed_at: datetime
    sent_headers: Mapping[str, str] = field(repr=False)
    outcome: Outcome
    attempts: int
    failures: int
    created_at: datetime

    @property
    def waited_s(self) -> float:
        """Give the time from the event's record to the receiver's answer, in seconds."""
        began_s = (self.outcome.started_at - self.created_at).total_seconds()
        return max(0.0, began_s) + self.outcome.elapsed_ms / 1000

"""Rates: which currencies a price may be in at this moment, and what one USDT costs in each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.api.v1.door import Call, Reply, operation
from core.api.v1.schemas.rates import RateList
from core.payments.quoting import rate_text
from core.payments.rates import all_judged


@dataclass(frozen=True, slots=True)
class RateView:
    """A rate as it is shown."""

    currency: str
    rate: str
    rate_sources: list[str]
    rate_at: datetime


@operation("GET", "/rates", answer=RateList)
def list_rates(call: Call) -> Reply:
    """List the currencies that can be quoted now, each with the rate that a new payment would get.

    A currency that is not listed is refused with `rate_unavailable`: do not offer the method for it.
    """
    shown = [
        RateView(one.currency, rate_text(one.rate), list(one.sources), one.at)
        for one in all_judged(call.session, call.hub)
        if one.rate is not None and one.at is not None
    ]
    return Reply({"rates": shown})

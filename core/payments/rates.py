"""What USDT costs, as the rate sources say: asked by a loop, kept in a table, judged when a price is quoted.

A source is asked outside any transaction; whatever it does, the others are asked all the same. Its turn is taken by a
compare-and-set, so that several processes with this loop ask it once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from core.contract import AdapterError
from core.contract import Rate as Said
from core.contract import RateSource
from core.currencies import MINOR_UNITS
from core.db import insert_for
from core.errors import GatewayError
from core.hub import Hub
from core.models import Project, Rate, RateAsking, RateHour
from core.patience import Overrun, Resting
from core.payments.quoting import Guards, Heard, Judged, Price, Quote, judge, quote, rate_text

log = logging.getLogger(__name__)

LOWEST, HIGHEST = Decimal("0.000001"), Decimal(10) ** 12  # of one USDT in any currency: beyond, the source is broken
MAX_WORDS = 1_000  # of one source; there are some 180 currencies
LONGEST_PAUSE_S = 3600  # that a source may ask for
ERROR_LIMIT = 200
LIMIT_S = 30  # for all requests of a source together


class RatePoller:
    """The loop's step: ask the sources whose turn it is, and keep what they say."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def step(self) -> bool:
        """Ask what is due; never True: the loop comes again by itself."""
        asked = [source for source in chosen_sources(self._hub) if _take_turn(self._hub, source.name)]
        for source in asked:
            _ask(self._hub, source)
        if asked:
            with self._hub.database.transaction() as session:
                _keep_hours(session, self._hub)
        return False


def chosen_sources(hub: Hub) -> list[RateSource]:
    """List the sources that the operator has chosen and a plugin has brought, in the operator's order."""
    brought = {source.name: source for source in hub.registry.rate_sources}
    return [brought[name] for name in hub.settings.rate_sources if name in brought]


def missing_sources(hub: Hub) -> list[str]:
    """Name the sources that the operator has chosen and no plugin has brought."""
    brought = {source.name for source in hub.registry.rate_sources}
    return [name for name in hub.settings.rate_sources if name not in brought]


def quote_price(session: Session, hub: Hub, price: Price) -> Quote:
    """Quote a price by what is believed now; raises RateUnavailable, InvalidPrice."""
    return quote(price, judged(session, hub, price.currency))


def judged(session: Session, hub: Hub, currency: str) -> Judged:
    """Judge what is known about one currency."""
    return _judge(hub, currency, session.scalars(select(Rate).where(Rate.currency == currency, _is_chosen(hub))))


def all_judged(session: Session, hub: Hub) -> list[Judged]:
    """Judge what is known about every currency, in the order of their codes."""
    words: dict[str, list[Rate]] = {}
    for row in session.scalars(select(Rate).where(_is_chosen(hub)).order_by(Rate.currency)):
        words.setdefault(row.currency, []).append(row)
    return [_judge(hub, currency, rows) for currency, rows in words.items()]


def _is_chosen(hub: Hub) -> ColumnElement[bool]:
    return Rate.source.in_(hub.settings.rate_sources)


def _judge(hub: Hub, currency: str, rows: Iterable[Rate]) -> Judged:
    settings = hub.settings
    guards = Guards(
        timedelta(seconds=settings.rate_max_age_s), settings.rate_max_deviation_percent, settings.rate_min_sources
    )
    heard = [Heard(row.source, Decimal(row.price), row.at) for row in rows]
    return judge(currency, heard, guards=guards, now=hub.clock.now())


def _take_turn(hub: Hub, name: str) -> bool:
    """Take a source's turn; False where it is not due, or another process has it."""
    now = hub.clock.now()
    with hub.database.snapshot() as session:
        ask_at = session.scalar(select(RateAsking.ask_at).where(RateAsking.source == name))
    if ask_at is not None and ask_at > now:
        return False
    turn = {"ask_at": now + timedelta(seconds=hub.settings.rate_every_s), "asked_at": now}
    with hub.database.transaction() as session:
        if ask_at is None:
            first = insert_for(session, RateAsking).values(source=name, error="", **turn)
            return session.scalar(first.on_conflict_do_nothing().returning(RateAsking.source)) is not None
        taken = update(RateAsking).where(RateAsking.source == name, RateAsking.ask_at == ask_at).values(**turn)
        return session.scalar(taken.returning(RateAsking.source)) is not None


def _ask(hub: Hub, source: RateSource) -> None:
    """Ask one source, and keep its words or why there are none."""
    words: Sequence[Said] = ()
    error, pause_s = "", 0
    try:
        limits = {f"rates {source.name}": 1}
        words = hub.patience.wait(lambda: source.fetch(hub.http), within_s=LIMIT_S, limits=limits)
    except AdapterError as err:
        error, pause_s = err.reason, int(err.retry_after_s or 0)
    except GatewayError as err:
        error = err.sentence
    except Overrun:
        error = f"It did not answer within {LIMIT_S} s."
    except Resting:
        error = "It has not come back since it was asked before: it is asked again once it does, or after a restart."
    except Exception as err:  # an edge: a plugin's bug must not stop the other sources
        log.exception("rate source %s failed", source.name)
        error = f"{type(err).__name__}: {err}"
    kept = [word for word in words[:MAX_WORDS] if _is_sane(word)]
    if words and not kept:
        error = "It gave no rate that can be used."
    with hub.database.transaction() as session:
        _note(session, hub, source.name, error=" ".join(error.split())[:ERROR_LIMIT], pause_s=pause_s)
        for word in kept:
            _keep(session, hub, source.name, word)


def _is_sane(word: Said) -> bool:
    """Tell whether a word is about a currency and plausible at all."""
    price = word.price
    return word.currency in MINOR_UNITS and isinstance(price, Decimal) and price.is_finite() and (
        LOWEST <= price <= HIGHEST
    )


def _note(session: Session, hub: Hub, name: str, *, error: str, pause_s: int) -> None:
    values: dict[str, object] = {"error": error}
    if pause_s > hub.settings.rate_every_s:
        values["ask_at"] = hub.clock.now() + timedelta(seconds=min(pause_s, LONGEST_PAUSE_S))
    session.execute(update(RateAsking).where(RateAsking.source == name).values(**values))


def _keep(session: Session, hub: Hub, name: str, word: Said) -> None:
    now = hub.clock.now()
    values = {"price": rate_text(word.price), "at": min(word.at or now, now), "heard_at": now}
    fresh = insert_for(session, Rate).values(currency=word.currency, source=name, **values)
    session.execute(fresh.on_conflict_do_update(index_elements=["currency", "source"], set_=values))


def _keep_hours(session: Session, hub: Hub) -> None:
    """Keep this hour's rate, once, for each currency that some project keeps its books in."""
    now = hub.clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    wanted = set(session.scalars(select(Project.reporting_currency).where(Project.reporting_currency.is_not(None))))
    known = set(session.scalars(select(RateHour.currency).where(RateHour.hour == hour)))
    for currency in sorted(code for code in wanted - known if code):
        believed = judged(session, hub, currency)
        if believed.rate is not None and believed.at is not None:
            values = {"price": rate_text(believed.rate), "at": believed.at, "sources": " ".join(believed.sources)}
            row = insert_for(session, RateHour).values(currency=currency, hour=hour, **values)
            session.execute(row.on_conflict_do_nothing())


def last_asked(session: Session) -> dict[str, RateAsking]:
    """Read how asking each source went last."""
    return {row.source: row for row in session.scalars(select(RateAsking))}


def words_of(session: Session) -> dict[str, int]:
    """Count the currencies that each source has spoken about."""
    rows = session.execute(select(Rate.source, func.count()).group_by(Rate.source))
    return {source: count for source, count in rows}

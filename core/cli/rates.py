"""`paywharf rates`: what one USDT costs, who says so, and why a source is not believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from core.cli.answers import Answer, answering, table
from core.cli.documents import moment
from core.cli.roof import Roof

if TYPE_CHECKING:
    from core.models import RateAsking
    from core.payments.quoting import Judged

Document = dict[str, object]
COLUMNS = ("currency", "rate", "sources", "at", "why_not")
WORD_COLUMNS = ("currency", "source", "price", "at", "used", "why_not")
SOURCE_COLUMNS = ("source", "currencies", "asked_at", "error")


@click.command()
@click.option("--currency", metavar="CODE", help="Only this currency, with what each source says about it.")
@click.option("--now", "ask_now", is_flag=True, help="Ask the sources that are due first; else the worker does.")
@answering
def rates(roof: Roof, currency: str | None, ask_now: bool) -> Answer:
    """Show what one USDT costs in each currency, which sources are believed, and why others are not.

    Prices on /api/v1 are quoted with these rates. Which sources are asked is a setting: PAYWHARF_RATE_SOURCES.
    """
    from core.payments import rates as known
    from core.payments.quoting import parse_currency

    code = parse_currency(currency) if currency is not None else None
    if ask_now:
        known.RatePoller(roof.hub).step()
    with roof.snapshot() as session:
        believed = [known.judged(session, roof.hub, code)] if code else known.all_judged(session, roof.hub)
        asked, counts = known.last_asked(session), known.words_of(session)
    sources = [
        _source(name, asked.get(name), counts.get(name, 0), is_missing=name in known.missing_sources(roof.hub))
        for name in roof.hub.settings.rate_sources
    ]
    summary = [_summary(one) for one in believed]
    words = [word for one in believed for word in _words(one)]
    shown = table(words, WORD_COLUMNS, empty="No source has said anything about it.") if code else table(
        summary, COLUMNS, empty="Nothing is known yet: is `paywharf work` running?"
    )
    text = f"{shown}\n\n{table(sources, SOURCE_COLUMNS, empty='')}"
    return Answer({"rates": summary, "words": words, "sources": sources}, text)


def _summary(one: Judged) -> Document:
    from core.payments.quoting import rate_text

    left_out = "; ".join(f"{verdict.heard.source}: {verdict.reason}" for verdict in one.verdicts if verdict.reason)
    return {
        "currency": one.currency,
        "rate": rate_text(one.rate) if one.rate is not None else None,
        "sources": " ".join(one.sources),
        "at": moment(one.at),
        "why_not": " ".join(part for part in (one.reason, left_out) if part),
    }


def _words(one: Judged) -> Iterator[Document]:
    from core.payments.quoting import rate_text

    for verdict in one.verdicts:
        yield {
            "currency": one.currency,
            "source": verdict.heard.source,
            "price": rate_text(verdict.heard.price),
            "at": moment(verdict.heard.at),
            "used": not verdict.reason and one.rate is not None,
            "why_not": verdict.reason,
        }


def _source(name: str, row: RateAsking | None, currencies: int, *, is_missing: bool) -> Document:
    error = "no plugin brings this source" if is_missing else row.error if row else "not asked yet"
    return {
        "source": name, "currencies": currencies, "asked_at": moment(row.asked_at) if row else None, "error": error
    }

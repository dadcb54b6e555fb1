"""`/metrics`: the hub's figures in Prometheus's text form, none with a label a merchant can fill.

Gauges are read from the database at each scrape; counts and times are `core.figures`'.

Format: Prometheus text exposition 0.0.4. For the machine's own Prometheus, or with `PAYWHARF_METRICS_TOKEN`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response

from core.dashboard.vitals import Vitals, Watching, read_vitals
from core.dashboard.visitors import is_trusted
from core.errors import NotFound
from core.web import the_hub

blueprint = Blueprint("metrics", __name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its name, what it says, and its values by label; the empty label is for a metric without one."""

    name: str
    meaning: str
    values: dict[str, float]


@blueprint.get("/metrics")
def metrics() -> Response:
    """Give the figures to whoever may see them; to everybody else there is no such page."""
    if not is_trusted():
        raise NotFound
    hub = the_hub()
    with hub.database.snapshot() as session:
        vitals = read_vitals(session, hub)
    return Response("".join(map(_written, gauges(vitals))) + hub.figures.written(), content_type=CONTENT_TYPE)


def gauges(vitals: Vitals) -> list[Gauge]:
    """List every metric there is, also those that have no value yet."""
    seen = vitals.watching

    def watcher(read: Callable[[Watching], float]) -> dict[str, float]:
        return {} if seen is None else {"": read(seen)}

    return [
        Gauge("paywharf_watcher_height", "Last final block read", watcher(lambda at: at.height)),
        Gauge("paywharf_watcher_lag_blocks", "Final blocks not read yet", watcher(lambda at: at.lag_blocks)),
        Gauge("paywharf_watcher_lag_seconds", "Age of the last block read", watcher(lambda at: at.block_age_s)),
        Gauge("paywharf_watcher_running", "1 while a watcher holds the lease", watcher(lambda at: at.is_held)),
        Gauge("paywharf_watcher_frozen", "1 while credited money is missing", watcher(lambda at: at.is_frozen)),
        Gauge("paywharf_outbox_due", "Deliveries that are due", {"": vitals.outbox_due}),
        Gauge("paywharf_outbox_oldest_seconds", "How long the oldest has been due", {"": vitals.oldest_due_s}),
        Gauge("paywharf_inbox_waiting", "Transfers that wait for a human", {"": vitals.inbox_waiting}),
        Gauge("paywharf_endpoints_disabled", "Endpoints that take nothing", {"": vitals.endpoints_disabled}),
        Gauge("paywharf_alarms", "Alarms that stand", {f'{{kind="{k}"}}': v for k, v in vitals.alarms.items()}),
    ]


def _written(gauge: Gauge) -> str:
    head = f"# HELP {gauge.name} {gauge.meaning}.\n# TYPE {gauge.name} gauge\n"
    return head + "".join(f"{gauge.name}{label} {value:.15g}\n" for label, value in gauge.values.items())

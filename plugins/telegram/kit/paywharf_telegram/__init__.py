"""Take USDT in a bot of your own: a client of a Paywharf hub, and what a bot needs around it.

Nothing here needs a public URL: events are asked for by long poll. `paywharf_telegram.aiogram` and
`paywharf_telegram.ptb` fit it to the two bot libraries.
"""

from paywharf_telegram.hub import Event, Hub, HubAway, HubError, HubRefused, Invoice, Page
from paywharf_telegram.stores import CallbackStore, FileStore, SqliteStore, Store
from paywharf_telegram.till import Order, Paid, Till
from paywharf_telegram.webhooks import verified_notice

__all__ = [
    "CallbackStore", "Event", "FileStore", "Hub", "HubAway", "HubError", "HubRefused", "Invoice", "Order", "Page",
    "Paid", "SqliteStore", "Store", "Till", "verified_notice",
]

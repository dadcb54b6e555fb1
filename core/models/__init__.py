"""Every table of the hub, one file a family: columns and constraints, no behaviour.

Importing this package registers all of them on `core.db.Base.metadata`.
"""

from core.models.chain import Cursor, ScanCount, ScannedRange, Transfer
from core.models.ledger import JournalEntry
from core.models.outbox import Attempt, Delivery, Endpoint, Event
from core.models.payments import Payment, Reservation, Sighting
from core.models.projects import Address, Credential, HubSecret, Merchant, Project

__all__ = [
    "Address",
    "Attempt",
    "Credential",
    "Cursor",
    "Delivery",
    "Endpoint",
    "Event",
    "HubSecret",
    "JournalEntry",
    "Merchant",
    "Payment",
    "Project",
    "Reservation",
    "ScanCount",
    "ScannedRange",
    "Sighting",
    "Transfer",
]

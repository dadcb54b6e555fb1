"""Every table of the hub, one file a family: columns and constraints, no behaviour.

Importing this package registers all of them on `core.db.Base.metadata`.
"""

from core.models.alarms import Alarm
from core.models.api import IdempotencyKey, RateBucket, RequestNonce
from core.models.chain import Cursor, LogCheck, Outgoing, ScanCount, ScannedRange, Transfer
from core.models.channels import (
    Channel, ChannelCall, ChannelInvite, ChannelMember, ChannelPayment, ChannelValue, ConnectCode, Notice,
)
from core.models.inbox import InboxAct
from core.models.leads import FormBucket, Lead
from core.models.ledger import AccountTotal, JournalEntry
from core.models.outbox import Attempt, Delivery, Endpoint, Event
from core.models.payments import Payment, Reservation, Sighting
from core.models.projects import AccountXpub, Address, Credential, HubSecret, Merchant, Project
from core.models.rates import Rate, RateAsking, RateHour
from core.models.refunds import Refund, RefundLimit, RefundStep

__all__ = [
    "AccountTotal",
    "AccountXpub",
    "Address",
    "Alarm",
    "Attempt",
    "Channel",
    "ChannelCall",
    "ChannelInvite",
    "ChannelMember",
    "ChannelPayment",
    "ChannelValue",
    "ConnectCode",
    "Credential",
    "Cursor",
    "Delivery",
    "Endpoint",
    "Event",
    "FormBucket",
    "HubSecret",
    "IdempotencyKey",
    "InboxAct",
    "JournalEntry",
    "Lead",
    "LogCheck",
    "Merchant",
    "Notice",
    "Outgoing",
    "Payment",
    "Project",
    "Rate",
    "RateAsking",
    "RateBucket",
    "RateHour",
    "Refund",
    "RefundLimit",
    "RefundStep",
    "RequestNonce",
    "Reservation",
    "ScanCount",
    "ScannedRange",
    "Sighting",
    "Transfer",
]

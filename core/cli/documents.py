"""Rows as the documents that commands answer with: plain names, amounts as text, times in RFC 3339, no secret.

A stored secret shows its last four characters at most; whole secrets are only in what `issued_keys` is given, by the
command that has just made them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.hub import Hub
    from core.models import (
        Address, Attempt, Credential, Delivery, Endpoint, Event, Merchant, Payment, Project, Sighting, Transfer,
    )
    from core.projects.keys import IssuedKey

Document = dict[str, object]


def moment(value: datetime | None) -> str | None:
    """Write a time as RFC 3339, UTC."""
    return None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def merchant_document(row: Merchant) -> Document:
    """Describe an account."""
    return {"merchant_id": row.id, "name": row.name, "created_at": moment(row.created_at)}


def address_document(row: Address) -> Document:
    """Describe a receiving address."""
    return {
        "address_id": row.id,
        "merchant_id": row.merchant_id,
        "address": row.base58,
        "kind": row.kind,
        "pooled": row.exclusive,
        "state": _address_state(row),
        "label": row.label,
        "retired": row.retired_at is not None,
        "created_at": moment(row.created_at),
    }


def _address_state(row: Address) -> str:
    """Say what a merchant should know about an address: blacklisted, unpaid, or paid and not yet confirmed."""
    if row.blacklisted_at is not None:
        return "blacklisted"
    if row.first_paid_at is None:
        return "unpaid"
    return "confirmed" if row.confirmed_at is not None or row.kind != "own" else "to be confirmed"


def project_document(row: Project) -> Document:
    """Describe a project without its keys."""
    return {
        "project_id": row.id,
        "merchant_id": row.merchant_id,
        "name": row.name,
        "website": row.website_url,
        "mode": row.mode,
        "disabled": row.disabled_at is not None,
        "payment_window_s": row.window_s,
        "late_window_s": row.late_window_s,
        "test_now": moment(row.test_now),
        "tolerance": row.tolerance_units.six_places(),
        "late_accept_s": row.late_accept_s,
        "addressing": row.addressing,
        "overpaid_note": row.overpaid_note,
        "reporting_currency": row.reporting_currency,
        "created_at": moment(row.created_at),
    }


def key_documents(rows: Sequence[Credential]) -> dict[str, Document]:
    """Describe a project's key pairs by mode: the public key, and enough of the secret to tell it from another."""
    return {
        row.mode: {
            "key": row.public_key,
            "secret_last4": row.secret_last4,
            "old_secret_valid_until": moment(row.old_valid_until),
        }
        for row in rows
    }


def issued_keys(keys: Mapping[str, IssuedKey]) -> dict[str, Document]:
    """Show fresh key pairs whole: the one time they are shown."""
    return {mode: {"key": issued.public_key, "secret": issued.secret} for mode, issued in keys.items()}


def endpoint_document(row: Endpoint | None, *, last4: str = "") -> Document:
    """Describe where a project's webhooks go."""
    return {
        "webhook_url": row.url if row else None,
        "webhook_secret_last4": last4 if row else None,
        "webhook_enabled": row.enabled if row else False,
    }


def payment_document(hub: Hub, row: Payment) -> Document:
    """Describe a payment, its project loaded or not; `status` is the inner word, `public_status` the merchants'."""
    from core.api.compat import payment_url
    from core.payments.state import Status, public_word

    return {
        "payment_id": row.payment_id,
        "project_id": row.project_id,
        "is_test": row.is_test,
        "order_id": row.order_id,
        "status": row.status,
        "public_status": public_word(Status(row.status)),
        "anomaly": row.anomaly,
        "amount": row.amount_text,
        "price": f"{row.price_text} {row.price_currency}" if row.price_text else None,
        "rate": row.rate,
        "rate_sources": row.rate_sources,
        "rate_at": moment(row.rate_at),
        "pay_amount": row.pay_units.six_places(),
        "address": row.address,
        "description": row.description,
        "payment_url": payment_url(hub, row),
        "success_url": row.success_url,
        "fail_url": row.fail_url,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
        "cancel_requested_at": moment(row.cancel_requested_at),
        "simulated": row.simulated,
        "paid_at": moment(row.paid_at),
        "txid": row.txid,
    }


def sighting_document(row: Sighting | None) -> Document | None:
    """Describe what the unsolidified head shows of a payment."""
    if row is None:
        return None
    return {"txid": row.txid, "height": row.height, "block_time": moment(row.block_time)}


def event_document(row: Event) -> Document:
    """Describe something that happened to a payment."""
    return {
        "number": row.number,
        "event_id": row.event_id,
        "type": row.type,
        "note": row.note,
        "actor": row.actor,
        "created_at": moment(row.created_at),
    }


def transfer_document(row: Transfer, *, address: str, payment_id: int | None) -> Document:
    """Describe a transfer; `payment_id` is the public one of the payment it is booked on."""
    return {
        "transfer_id": row.id,
        "txid": row.txid,
        "log_index": row.log_index,
        "height": row.height,
        "block_time": moment(row.block_time),
        "sender": row.sender,
        "address": address,
        "amount": row.units.six_places(),
        "bucket": row.bucket,
        "payment_id": payment_id,
        "resolution": row.resolution,
        "resolved_at": moment(row.resolved_at),
    }


def delivery_document(row: Delivery) -> Document:
    """Describe a delivery; its endpoint, its event and that one's payment are loaded. A test ping has no payment."""
    payment = row.event.payment if row.event else None
    return {
        "delivery_id": row.id,
        "project_id": row.endpoint.project_id,
        "payment_id": payment.payment_id if payment else None,
        "order_id": payment.order_id if payment else None,
        "event_id": row.message_id,
        "type": row.type,
        "endpoint_id": row.endpoint.uid,
        "url": row.endpoint.url,
        "state": row.state,
        "attempts": row.attempts,
        "failures": row.failures,
        "next_attempt_at": moment(row.next_attempt_at) if row.state == "due" else None,
        "last_error": row.last_error,
        "created_at": moment(row.created_at),
        "done_at": moment(row.done_at),
    }


def attempt_document(row: Attempt) -> Document:
    """Describe one try of a delivery."""
    return {
        "number": row.number,
        "started_at": moment(row.started_at),
        "elapsed_ms": row.elapsed_ms,
        "http_status": row.http_status,
        "error": row.error,
        "sent_headers": row.sent_headers,
        "answer_headers": row.answer_headers,
        "answer": row.answer_excerpt,
    }

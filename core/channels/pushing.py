"""Tells a platform what happened to a payment, through its channel's adapter: one delivery of the outbox.

`prepare` reads what the adapter is told, in the packer's session; `send` runs the adapter, outside any transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.channels.adapters import adapter_of, asked
from core.contract import AdapterError, Notice, PaymentUpdate, PushResult
from core.errors import GatewayError
from core.hub import Hub
from core.models import Channel, ChannelPayment, Event, Payment, Project, Transfer
from core.money import Usdt

PREFIX = "payment."


@dataclass(frozen=True, slots=True)
class Push:
    """What one delivery tells a channel: a payment's update, or notices for its people; without either, a test ping,
    which asks the adapter to check itself. number: of the telling.
    """

    channel: Channel
    project: Project
    update: PaymentUpdate | None = field(default=None, repr=False)
    notices: Sequence[Notice] = field(default=(), repr=False)
    number: str = ""


@dataclass(frozen=True, slots=True)
class Pushed:
    """How it went. is_taken: it is done.   notice: what a human must look at although it is; about: its subject."""

    is_taken: bool
    said: str = ""
    error: str = ""
    notice: str = ""
    about: str = ""
    is_permanent: bool = False
    retry_after_s: int = 0


def prepare(session: Session, hub: Hub, channel: Channel, event_id: int | None, body: bytes) -> Push:
    """Read what an adapter is told of an event: the payment as it stands now; without an event, what the body says."""
    project = session.get_one(Project, channel.project_id)
    if event_id is None:
        told = json.loads(body)
        notices = tuple(Notice(**one) for one in told.get("notices", ()))
        return Push(channel, project, notices=notices, number=told.get("number", ""))
    row = session.execute(
        select(Event, Payment, ChannelPayment)
        .join(Payment, Payment.id == Event.payment_id)
        .outerjoin(ChannelPayment, ChannelPayment.payment_id == Payment.id)
        .where(Event.id == event_id)
    ).one()
    transfers = session.execute(
        select(Transfer.txid, Transfer.units).where(Transfer.payment_id == row.Payment.id).order_by(Transfer.id)
    ).all()
    received, txids = _received(row.Payment, [(one.txid, one.units) for one in transfers])
    details = json.loads(row.ChannelPayment.details) if row.ChannelPayment else {}
    return Push(channel, project, _update(hub, row.Event, row.Payment, received, txids, details))


def send(hub: Hub, push: Push) -> Pushed:
    """Run the adapter; whatever happens is an outcome. No transaction may be open."""
    channel = push.channel
    try:
        adapter = adapter_of(hub, channel, push.project)
        update = push.update
        if push.notices:
            asked(channel, "notify", lambda: adapter.notify(push.notices, push.number))
            return Pushed(True, "told")
        if update is None:
            return Pushed(True, asked(channel, "check", adapter.check))
        result = asked(channel, "push", _checked(lambda: adapter.push(update)))
    except AdapterError as err:
        return Pushed(
            False, error=err.reason or "The adapter gave no reason.", is_permanent=err.permanent,
            retry_after_s=max(0, int(err.retry_after_s or 0)),
        )
    except GatewayError as err:
        return Pushed(False, error=err.sentence)
    if result is PushResult.CONFLICT:
        return Pushed(True, result.value, notice=_conflict(channel, update), about=f"{channel.uid}:{update.payment_id}")
    return Pushed(True, result.value)


def _conflict(channel: Channel, update: PaymentUpdate) -> str:
    """Say in one sentence which order to look at, and where."""
    amount = update.received if update.received.units else update.pay_amount
    return (
        f"Order {update.order_id} at {channel.name} (channel {channel.uid}) is gone or does not go with payment "
        f"{update.payment_id} ({update.type}, {amount.six_places()} USDT): look at it."
    )


def _checked(call: Callable[[], PushResult]) -> Callable[[], PushResult]:
    def run() -> PushResult:
        result = call()
        if not isinstance(result, PushResult):
            raise TypeError(f"push gave {result!r}, which is no PushResult")
        return result

    return run


def _received(payment: Payment, transfers: list[tuple[str, Usdt]]) -> tuple[Usdt, tuple[str, ...]]:
    """Add up what came; a test payment's money is none, and counts as its exact amount once it is paid."""
    if payment.is_test:
        return (payment.pay_units if payment.status == "paid" else Usdt(0)), ((payment.txid,) if payment.txid else ())
    total = Usdt(sum(units.units for _, units in transfers))
    return total, tuple(dict.fromkeys(txid for txid, _ in transfers))


def _update(
    hub: Hub, happened: Event, payment: Payment, received: Usdt, txids: tuple[str, ...], details: dict[str, str]
) -> PaymentUpdate:
    return PaymentUpdate(
        event_id=happened.event_id,
        number=happened.number,
        type=happened.type.removeprefix(PREFIX),
        at=happened.created_at,
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        status=payment.status,
        anomaly=payment.anomaly,
        due=payment.amount_units,
        pay_amount=payment.pay_units,
        received=received,
        txids=txids,
        address=payment.address,
        pay_url=f"{hub.settings.base_url}/pay/?id={payment.payment_id}&t={payment.page_token}",
        is_test=payment.is_test,
        expires_at=payment.expires_at,
        details=details,
    )

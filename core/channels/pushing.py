"""Tells a platform what happened to a payment, through its channel's adapter: one delivery of the outbox.

`prepare` reads what the adapter is told, in the packer's session; `send` runs the adapter, outside any transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.channels.adapters import AdapterBroken, adapter_of, asked
from core.channels.trouble import About, end_trouble, has_trouble, note_trouble
from core.contract import AdapterError, Notice, PaymentUpdate, PushResult
from core.errors import ChannelUnavailable, GatewayError
from core.hub import Hub
from core.models import Channel, ChannelPayment, Delivery, Event, Payment, Project, Transfer
from core.models.outbox import DUE
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
    """How it went. is_taken: it is done.   notice: what a human must look at although it is; about: its subject.

    is_odd: it failed without the platform's having a part in it.
    """

    is_taken: bool
    said: str = ""
    error: str = ""
    notice: str = ""
    about: str = ""
    is_permanent: bool = False
    retry_after_s: int = 0
    is_odd: bool = False


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
            asked(hub, channel, "notify", lambda: adapter.notify(push.notices, push.number), key=push.number)
            return Pushed(True, "told")
        if update is None:
            return Pushed(True, asked(hub, channel, "check", adapter.check, key="it"))
        result = asked(hub, channel, "push", _checked(lambda: adapter.push(update)), key=update.event_id)
    except AdapterError as err:
        return Pushed(
            False, error=err.reason or "The adapter gave no reason.", is_permanent=err.permanent,
            retry_after_s=max(0, int(err.retry_after_s or 0)), is_odd=isinstance(err, AdapterBroken),
        )
    except GatewayError as err:
        return Pushed(False, error=err.sentence, is_odd=isinstance(err, ChannelUnavailable))
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


def note_failure(hub: Hub, push: Push, delivery_id: int, error: str) -> None:
    """Say at the channel that one of its deliveries fails."""
    order = f" of order {push.update.order_id}" if push.update else ""
    sentence = f"Delivery {delivery_id}{order} fails: {error} See paywharf delivery show {delivery_id}."
    with hub.database.transaction() as session:
        note_trouble(session, hub, session.get_one(Channel, push.channel.id), sentence, About.PUSH)


def note_success(hub: Hub, push: Push) -> None:
    """Say at the channel that its deliveries are taken, once none of them waits for another try."""
    with hub.database.snapshot() as session:
        channel = session.get_one(Channel, push.channel.id)
        over = [about for about in (About.PUSH, About.PLUGIN) if has_trouble(session, channel, about)]
        failing = select(Delivery.id).where(
            Delivery.endpoint_id == channel.endpoint_id, Delivery.state == DUE, Delivery.failures > 0
        )
        if not over or session.scalar(failing.limit(1)) is not None:
            return
    with hub.database.transaction() as session:
        end_trouble(session, hub, session.get_one(Channel, push.channel.id), *over)


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

"""Turn what was read into ready strings: pure, so every state can be shown without a database or a clock.

Templates and script compute nothing; what they show and how long they wait is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from os.path import commonprefix

from markupsafe import Markup

from checkout_ui.leads import (
    NamedTransaction, has_paid_something, is_looking, mark_of, named_transactions, worth_saying,
)
from checkout_ui.prices import NBSP, Fiat, fiat_of
from checkout_ui.qr import qr_svg
from checkout_ui.reading import Viewed
from checkout_ui.wording import (
    ENDED_ANOMALIES, GOES_BACK, GOOD_NOTES, NOTES, OPEN_ANOMALIES, PAID_ANOMALIES, SCENARIOS, SENT_BACK, TEST_FAILED,
    TEST_WORDS, WORDS, PageState, Words,
)
from core.models import Payment
from core.money import Usdt
from core.payments.controls import Scenario
from core.payments.state import Anomaly, Status

CONFIRMATIONS = 19  # a block is final once 19 of the 27 super representatives have built on it (TRON's consensus)
GROUP = 4  # characters of an address that are read in one go
LEAVE_AFTER_S = 3  # long enough to read "Paid", and to stay
POLL_MS = {PageState.WAITING: 2500, PageState.CHECKING: 2500, PageState.DETECTED: 2000, PageState.PAID: 0}
POLL_ENDED_MS = 15_000  # money beats cancel and expiry: the page must hear of it, but nobody waits for it
LOOKING_MS, LOOKING_S = 2500, 5  # while a transaction that the buyer named is being looked for
REFRESH_S = {PageState.WAITING: 20, PageState.CHECKING: 5, PageState.DETECTED: 5}  # without script; 20 s to copy in
DEVNET = "devnet"

NAMING = frozenset({PageState.WAITING, PageState.CHECKING, PageState.EXPIRED, PageState.CANCELED})
ENDED = frozenset({PageState.PAID, PageState.EXPIRED, PageState.CANCELED})
STATES = {
    Status.CONFIRMING: PageState.DETECTED,
    Status.PAID: PageState.PAID,
    Status.EXPIRED: PageState.EXPIRED,
    Status.CANCELED: PageState.CANCELED,
}


@dataclass(frozen=True, slots=True)
class Sum:
    """An exact amount; `tag` is its end from the first digit that the tag has changed."""

    exact: str
    start: str
    tag: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send: the whole address, the same in groups, and its QR code."""

    address: str
    groups: tuple[str, ...]
    qr: Markup


@dataclass(frozen=True, slots=True)
class Countdown:
    """Time left to pay, now and as the script counts it on."""

    seconds: int
    text: str
    until: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How many blocks have built on the detected transfer, its own counted."""

    count: int
    needed: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One of the three steps of a payment: done, current or to come."""

    label: str
    place: str


@dataclass(frozen=True, slots=True)
class Row:
    """A named value; `is_code` for what is compared letter by letter."""

    label: str
    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """The way back to the shop; after_s is 0 where the buyer must ask for it."""

    url: str
    label: str
    after_s: int
    announcement: str


@dataclass(frozen=True, slots=True)
class Note:
    """A message at the top of the page."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the template shows."""

    state: PageState
    version: int
    title: str
    shop: str
    words: Words
    is_test: bool
    sum: Sum
    price: str
    fiat: Fiat | None
    seal: str
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    steps: tuple[Step, ...]
    target: Target | None
    countdown: Countdown | None
    progress: Progress | None
    exit: Exit | None
    can_cancel: bool
    can_name: bool
    named: tuple[NamedTransaction, ...]
    named_mark: str
    is_folded: bool
    scenarios: tuple[tuple[str, str], ...]
    has_demo_wallet: bool
    payment_id: int
    poll_ms: int
    refresh_s: int
    token: str = field(repr=False)


def present(viewed: Viewed, *, now: datetime, network: str, note: str = "") -> Page:
    """Decide all that a payment's page shows.

    now: wall time, which may say "time is up" but never "expired".   note: a code of wording.NOTES; others say nothing.
    """
    payment = viewed.payment
    state = state_of(payment, now=now)
    words = _words(viewed, state)
    is_waiting = state is PageState.WAITING
    leads = worth_saying(viewed.leads, is_paid=state is PageState.PAID)
    return Page(
        state=state,
        version=payment.version,
        title=f"{words.headline} · {viewed.shop}",
        shop=viewed.shop,
        words=words,
        is_test=payment.is_test,
        sum=split_sum(pay=payment.pay_units, price=payment.amount_units),
        price=_price(payment),
        fiat=fiat_of(payment),
        seal=_seal(payment, state),
        rows=_rows(viewed, state),
        notes=_notes(viewed, state, note),
        steps=_steps(state),
        target=target_of(payment.address) if is_waiting else None,
        countdown=_countdown(payment, now=now) if is_waiting else None,
        progress=_progress(viewed) if state is PageState.DETECTED else None,
        exit=_exit(viewed, state),
        can_cancel=state in (PageState.WAITING, PageState.CHECKING),
        can_name=state in NAMING and not payment.is_test,
        named=named_transactions(leads),
        named_mark=mark_of(leads),
        is_folded=has_paid_something(leads),
        scenarios=SCENARIOS if payment.is_test and state not in ENDED else (),
        has_demo_wallet=network == DEVNET and is_waiting and not payment.is_test,
        payment_id=payment.payment_id,
        poll_ms=LOOKING_MS if is_looking(leads) else POLL_MS.get(state, POLL_ENDED_MS),
        refresh_s=LOOKING_S if is_looking(leads) else REFRESH_S.get(state, 0),
        token=payment.page_token,
    )


def state_of(payment: Payment, *, now: datetime) -> PageState:
    """Say what the page is about: the payment's status, and whether a pending one's time is up on the wall clock."""
    status = Status(payment.status)
    if status is Status.PENDING:
        return PageState.CHECKING if now > payment.expires_at else PageState.WAITING
    return STATES[status]


def split_sum(*, pay: Usdt, price: Usdt) -> Sum:
    """Split an exact amount where its tag begins to show: 50.013400 for 50 is "50.0" and "13400"."""
    exact = pay.six_places()
    start = commonprefix([exact, price.six_places()])
    return Sum(exact, start, exact[len(start):])


def target_of(address: str) -> Target:
    """Group an address for reading and draw its code."""
    groups = tuple(address[place:place + GROUP] for place in range(0, len(address), GROUP))
    return Target(address, groups, qr_svg(address))


def duration_text(seconds: int) -> str:
    """Write a span as a clock does: "29:05", or "1:02:03" from an hour on. The script counts on in the same form."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def confirmations(*, seen_height: int, head_height: int) -> int:
    """Count the blocks of a detected transfer, its own included, from 1 to 19."""
    return min(CONFIRMATIONS, max(1, head_height - seen_height + 1))


def _words(viewed: Viewed, state: PageState) -> Words:
    payment, anomaly = viewed.payment, Anomaly(viewed.payment.anomaly)
    if state in (PageState.EXPIRED, PageState.CANCELED) and anomaly is Anomaly.NONE and viewed.refunds:
        is_back = all(one.state == "verified" for one in viewed.refunds)
        return SENT_BACK if is_back else GOES_BACK
    if state in (PageState.EXPIRED, PageState.CANCELED) and anomaly in ENDED_ANOMALIES:
        return ENDED_ANOMALIES[anomaly]
    if not payment.is_test:
        return WORDS[state]
    if payment.simulated == Scenario.FAIL and state is PageState.CANCELED:
        return TEST_FAILED
    return TEST_WORDS.get(state, WORDS[state])


def _rows(viewed: Viewed, state: PageState) -> tuple[Row, ...]:
    payment = viewed.payment
    rows = [Row("Order", payment.order_id)]
    if payment.description:
        rows.append(Row("Description", payment.description))
    rows += _price_rows(payment, state)
    if viewed.arrived is not None:
        rows.append(Row("Arrived", f"{viewed.arrived.six_places()} USDT"))
        rows.append(Row("Missing", f"{(payment.pay_units - viewed.arrived).six_places()} USDT"))
    if payment.paid_at is not None:
        rows.append(Row("Paid at", _moment(payment.paid_at)))
    txid = payment.txid or (viewed.seen_txid if state is PageState.DETECTED else None)
    if txid:
        rows.append(Row("Transaction", txid, is_code=True))
    for refund in viewed.refunds if state in ENDED else ():
        is_back = refund.state == "verified"
        rows.append(Row("Sent back" if is_back else "To be sent back", f"{refund.units.six_places()} USDT"))
        rows += [Row("Transaction of that", refund.txid or "", is_code=True)] if is_back else []
    return tuple(rows)


def _notes(viewed: Viewed, state: PageState, code: str) -> tuple[Note, ...]:
    payment = viewed.payment
    notes = [Note(NOTES[code], "good" if code in GOOD_NOTES else "bad")] if code in NOTES else []
    anomaly = Anomaly(payment.anomaly)
    if state not in ENDED and anomaly in OPEN_ANOMALIES:
        notes.append(Note(OPEN_ANOMALIES[anomaly], "bad"))
    if state is PageState.PAID and anomaly in PAID_ANOMALIES:
        own = viewed.overpaid_note if anomaly is Anomaly.OVERPAID else ""
        notes.append(Note(own or PAID_ANOMALIES[anomaly], "good" if anomaly is Anomaly.ACCEPTED else "bad"))
    return tuple(notes)


def _steps(state: PageState) -> tuple[Step, ...]:
    """Place the buyer on the way; a payment that ended unpaid has no way to show."""
    order = {PageState.WAITING: 0, PageState.CHECKING: 0, PageState.DETECTED: 1, PageState.PAID: 3}
    if state not in order:
        return ()
    here = order[state]
    places = ["done" if place < here else "current" if place == here else "next" for place in range(3)]
    labels = ("Send the exact amount", "Detected on the network", "Paid")
    return tuple(Step(label, place) for label, place in zip(labels, places, strict=True))


def _countdown(payment: Payment, *, now: datetime) -> Countdown:
    seconds = max(0, -((now - payment.expires_at) // timedelta(seconds=1)))
    return Countdown(seconds, duration_text(seconds), _moment(payment.expires_at))


def _progress(viewed: Viewed) -> Progress:
    count = 1
    if viewed.seen_height is not None:
        count = confirmations(seen_height=viewed.seen_height, head_height=viewed.head_height)
    return Progress(count, CONFIRMATIONS, f"{count} of {CONFIRMATIONS} confirmations")


def _exit(viewed: Viewed, state: PageState) -> Exit | None:
    """Lead back to the shop, to stored URLs only; by itself only where there is nothing left to read or to look for."""
    if state not in ENDED:
        return None
    payment = viewed.payment
    wanted = payment.success_url if state is PageState.PAID else payment.fail_url
    url = wanted or viewed.website
    if url is None or not url.startswith(("https://", "http://")):
        return None
    has_message = Anomaly(payment.anomaly) is not Anomaly.NONE
    stays = has_message or state is PageState.EXPIRED or viewed.leads or viewed.refunds
    after_s = LEAVE_AFTER_S if wanted and not stays else 0
    announcement = f"You are taken back to {viewed.shop} in {after_s} seconds." if after_s else ""
    return Exit(url, f"Back to {viewed.shop}", after_s, announcement)


def _seal(payment: Payment, state: PageState) -> str:
    """Choose the icon of an outcome: money that went astray is a warning, not an end."""
    if state is PageState.PAID:
        return "done"
    if state not in ENDED:
        return "clock"
    return "stop" if Anomaly(payment.anomaly) is Anomaly.NONE else "warning"


def _price_rows(payment: Payment, state: PageState) -> list[Row]:
    """Say what was asked; beside the amount to send, the price in USDT has been said already."""
    fiat = fiat_of(payment)
    if fiat is not None and payment.rate_at is not None:
        price = f"{fiat.price} = {payment.amount_text}{NBSP}USDT"
        rows = Row("Price", price), Row("Rate", fiat.rate), Row("Rate from", fiat.source)
        return [*rows, Row("Rate of", _moment(payment.rate_at))]
    return [] if state is PageState.WAITING else [Row("Price", _price(payment))]


def _price(payment: Payment) -> str:
    return f"{payment.amount_text} USDT"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")

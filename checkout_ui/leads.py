"""What a page shows of the transactions that its buyer has named, as ready strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checkout_ui.wording import FOUND, GOOD_FINDINGS
from core.models import Lead
from core.payments.leads import OPEN, Finding


FOR_THE_SHOP = frozenset({Finding.AMOUNT_DIFFERS, Finding.UNCLEAR, Finding.MISSING})


@dataclass(frozen=True, slots=True)
class NamedTransaction:
    """One transaction that the buyer has named. kind: `good`, `open` or `bad`."""

    txid: str
    sentence: str
    kind: str


def named_transactions(leads: Sequence[Lead]) -> tuple[NamedTransaction, ...]:
    """Say what became of each, the newest first."""
    return tuple(
        NamedTransaction(lead.txid, FOUND[Finding(lead.finding)], _kind(Finding(lead.finding))) for lead in leads
    )


def worth_saying(leads: Sequence[Lead], *, is_paid: bool) -> Sequence[Lead]:
    """Leave out, once the payment is paid, what is still being looked for: nobody waits for it."""
    return [lead for lead in leads if lead.finding not in OPEN] if is_paid else leads


def has_paid_something(leads: Sequence[Lead]) -> bool:
    """Tell whether the buyer has sent money about which the shop must decide."""
    return any(lead.finding in FOR_THE_SHOP for lead in leads)


def mark_of(leads: Sequence[Lead]) -> str:
    """Sum up what is shown, so that a live page can tell when it has changed."""
    return " ".join(f"{lead.id}:{lead.finding}" for lead in leads)


def is_looking(leads: Sequence[Lead]) -> bool:
    """Tell whether any of them is still being looked for."""
    return any(lead.finding in OPEN for lead in leads)


def _kind(finding: Finding) -> str:
    if finding in GOOD_FINDINGS:
        return "good"
    return "open" if finding in OPEN else "bad"

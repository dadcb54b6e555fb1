"""What a page shows of the transactions that its buyer has named, as ready strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checkout_ui.wording import FOUND, GOOD_FINDINGS
from core.models import Lead
from core.payments.leads import OPEN, Finding


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

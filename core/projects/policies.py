"""What a project does with odd money: tolerance, late money, addresses, words for who paid too much.

A policy holds for payments opened from then on: what was promised to those already open stays.
"""

from __future__ import annotations

from core.currencies import MINOR_UNITS
from core.errors import AmountNotPositive, InvalidField
from core.models import Project
from core.models.projects import TOLERANCE_LIMIT
from core.money import Usdt, parse_amount

ADDRESSING = ("auto", "shared", "pool", "xpub")
NOTE_LIMIT = 300


def set_policy(
    project: Project,
    *,
    tolerance: str | None = None,
    late_accept_s: int | None = None,
    addressing: str | None = None,
    overpaid_note: str | None = None,
    reporting_currency: str | None = None,
) -> None:
    """Change what is given, keep what is None.

    tolerance: USDT as text, 0 to 5; a shortfall up to it, and up to half the price, is taken for enough where one
    payment alone can be meant.   late_accept_s: seconds after the window, at most the late window.
    reporting_currency: ISO 4217, what statements are valued in; empty: in nothing but payments' own prices.
    Raises InvalidField, InvalidAmount, TooManyDecimals.
    """
    if tolerance is not None:
        project.tolerance_units = _tolerance(tolerance)
    if late_accept_s is not None:
        if not 0 <= late_accept_s <= project.late_window_s:
            raise InvalidField(f"Late money can be accepted for at most the late window, {project.late_window_s} s.")
        project.late_accept_s = late_accept_s
    if addressing is not None:
        if addressing not in ADDRESSING:
            raise InvalidField(f"addressing must be one of {', '.join(ADDRESSING)}.")
        project.addressing = addressing
    if overpaid_note is not None:
        if len(overpaid_note) > NOTE_LIMIT or not overpaid_note.isprintable():
            raise InvalidField(f"A note has at most {NOTE_LIMIT} printable characters.")
        project.overpaid_note = overpaid_note
    if reporting_currency is not None:
        if reporting_currency and reporting_currency not in MINOR_UNITS:
            raise InvalidField("A reporting currency is an ISO 4217 code such as EUR, in capitals.")
        project.reporting_currency = reporting_currency or None


def _tolerance(text: str) -> Usdt:
    try:
        units = parse_amount(text).due
    except AmountNotPositive as err:
        if text.startswith("-"):
            raise InvalidField("A tolerance is 0 or more.") from err
        return Usdt(0)
    if units.units > TOLERANCE_LIMIT:
        raise InvalidField(f"A tolerance is at most {Usdt(TOLERANCE_LIMIT).six_places()} USDT.")
    return units

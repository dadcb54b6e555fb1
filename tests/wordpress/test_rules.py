"""The order-state table: what each piece of news does to an order in each state, asked of the PHP itself."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PLUGIN = HERE.parent.parent / "plugins" / "woocommerce" / "wordpress" / "paywharf"
STATUSES = ("pending", "on-hold", "processing", "completed", "cancelled", "failed", "refunded", "trash")
KINDS = {  # kind: the hub's public status that comes with it
    "open": "pending", "seen": "pending", "unseen": "pending", "paid": "paid", "overpaid": "paid",
    "underpaid": "expired", "expired": "expired", "canceled": "failed", "late": "expired", "duplicate": "expired",
    "refunded": "expired",
}


def news(kind: str = "paid", **changed: object) -> dict[str, Any]:
    """Write news about payment 7."""
    return {
        "payment_id": "7", "order_ref": "wc-1-00000000", "kind": kind, "status": KINDS[kind], "amount": "12.50",
        "pay_amount": "12.500100", "txid": "ab" * 32, "is_test": False, "sequence": None,
    } | changed


def facts(status: str = "pending", **changed: object) -> dict[str, Any]:
    """Write how an order of ours stands, whose payment is 7."""
    return {
        "is_ours": True, "payment_id": "7", "is_known": False, "status": status, "sequence": 0, "txid": "",
        "held": False, "fits": True, "mode": "live",
    } | changed


def ask(*questions: tuple[str, list[Any]]) -> list[Any]:
    """Ask the PHP many questions at once."""
    asked = json.dumps([{"call": call, "given": given} for call, given in questions])
    run = subprocess.run(
        ["php", str(HERE / "php" / "answers.php"), str(PLUGIN)], input=asked, capture_output=True, text=True, timeout=90
    )
    assert run.returncode == 0 and not run.stderr, run.stdout + run.stderr
    answers: list[Any] = json.loads(run.stdout)
    return answers


def decide(*cases: tuple[dict[str, Any], dict[str, Any], dict[str, str]]) -> list[tuple[str, str, bool]]:
    """Give status, note and alert of each case."""
    answers = ask(*(("Paywharf_Rules::decide", list(case)) for case in cases))
    return [(one["value"]["status"], one["value"]["note"], one["value"]["alert"]) for one in answers]


NOTHING, ALERT = ("", "", False), True
TABLE = [  # news, order, what happens: status, note, whether a human is called
    (news("open"), facts("pending"), NOTHING),
    (news("seen"), facts("pending"), ("on-hold", "seen", False)),
    (news("seen"), facts("failed"), ("on-hold", "seen", False)),
    (news("seen"), facts("on-hold", held=True), ("", "seen", False)),
    (news("seen"), facts("cancelled"), ("", "seen_after_end", ALERT)),
    (news("unseen"), facts("on-hold", held=True), ("pending", "unseen", False)),
    (news("unseen"), facts("on-hold"), ("", "unseen", False)),
    (news("paid"), facts("pending"), ("paid", "paid", False)),
    (news("paid"), facts("on-hold", held=True), ("paid", "paid", False)),
    (news("paid"), facts("on-hold"), ("paid", "paid", False)),
    (news("paid"), facts("cancelled"), ("on-hold", "paid_after_end", ALERT)),
    (news("paid"), facts("failed"), ("on-hold", "paid_after_end", ALERT)),
    (news("paid"), facts("pending", fits=False), ("on-hold", "mismatch", ALERT)),
    (news("paid"), facts("cancelled", fits=False), ("on-hold", "mismatch", ALERT)),
    (news("paid"), facts("processing"), ("", "paid_when_settled", ALERT)),
    (news("paid"), facts("completed"), ("", "paid_when_settled", ALERT)),
    (news("paid"), facts("refunded"), ("", "paid_when_settled", ALERT)),
    (news("paid"), facts("processing", txid="ab" * 32), NOTHING),
    (news("paid"), facts("processing", txid="cd" * 32), ("", "paid_when_settled", ALERT)),
    (news("paid"), facts("trash"), ("", "paid_in_odd_status", ALERT)),
    (news("overpaid"), facts("pending"), ("paid", "overpaid", ALERT)),
    (news("overpaid"), facts("processing", txid="ab" * 32), ("", "overpaid", False)),
    (news("duplicate", status="paid"), facts("processing", txid="ab" * 32), ("", "paid_twice", ALERT)),
    (news("duplicate"), facts("pending"), ("", "duplicate", ALERT)),
    (news("underpaid", status="pending"), facts("pending"), ("", "short_so_far", False)),
    (news("underpaid"), facts("pending"), ("on-hold", "underpaid", ALERT)),
    (news("underpaid"), facts("on-hold", held=True), ("", "underpaid", ALERT)),
    (news("underpaid"), facts("cancelled"), ("on-hold", "underpaid", ALERT)),
    (news("underpaid"), facts("processing"), ("", "underpaid", ALERT)),
    (news("expired"), facts("pending"), ("cancelled", "expired", False)),
    (news("expired"), facts("on-hold", held=True), ("cancelled", "expired", False)),
    (news("expired"), facts("on-hold"), ("", "expired", False)),
    (news("expired"), facts("processing"), ("", "expired", False)),
    (news("canceled"), facts("pending"), ("", "canceled", False)),
    (news("canceled"), facts("on-hold", held=True), ("pending", "canceled", False)),
    (news("late"), facts("cancelled"), ("on-hold", "late", ALERT)),
    (news("late"), facts("pending"), ("on-hold", "late", ALERT)),
    (news("late"), facts("completed"), ("", "late", ALERT)),
    (news("refunded"), facts("processing", txid="ab" * 32), ("", "refunded", False)),
    (news("paid"), facts("pending", is_ours=False), ("", "other_method", ALERT)),
    (news("expired"), facts("pending", is_ours=False), NOTHING),
    (news("paid", is_test=True), facts("pending"), ("", "test_in_live", False)),
    (news("paid", is_test=True), facts("pending", mode="test"), ("paid", "paid", False)),
    (news("paid"), facts("pending", mode="test"), ("paid", "paid", False)),
    (news("paid", payment_id="6"), facts("pending"), NOTHING),
    (news("paid", payment_id="6"), facts("pending", is_known=True), ("on-hold", "old_payment", ALERT)),
    (news("paid", payment_id="6"), facts("processing", is_known=True), ("", "old_payment", ALERT)),
    (news("expired", payment_id="6"), facts("pending", is_known=True), NOTHING),
    (news("seen", sequence=2), facts("pending", sequence=2), NOTHING),
    (news("seen", sequence=3), facts("pending", sequence=2), ("on-hold", "seen", False)),
    (news("expired", sequence=9), facts("processing", txid="ab" * 32), NOTHING),
]


def test_the_table_of_order_states_holds():
    answers = decide(*((given, order, {}) for given, order, _ in TABLE))

    assert [
        (given["kind"], order["status"], answer) for (given, order, _), answer in zip(TABLE, answers, strict=True)
    ] == [(given["kind"], order["status"], wanted) for given, order, wanted in TABLE]


@pytest.mark.parametrize(
    ("rule", "choice", "given", "order", "status"),
    [
        ("seen", "none", news("seen"), facts("pending"), ""),
        ("underpaid", "failed", news("underpaid"), facts("pending"), "failed"),
        ("underpaid", "none", news("underpaid"), facts("pending"), ""),
        ("expired", "failed", news("expired"), facts("pending"), "failed"),
        ("expired", "none", news("expired"), facts("pending"), ""),
        ("canceled", "cancelled", news("canceled"), facts("pending"), "cancelled"),
        ("late", "none", news("late"), facts("cancelled"), ""),
        ("reopen", "yes", news("paid"), facts("cancelled"), "paid"),
    ],
)
def test_every_row_of_the_table_is_a_choice(rule, choice, given, order, status):
    assert decide((given, order, {f"{rule}": choice}))[0][0] == status


def every_case() -> list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
    """Cross all news with all orders."""
    bools = (True, False)
    return [
        (
            news(kind, status=word, payment_id=payment_id, is_test=is_test),
            facts(status, is_ours=ours, txid=txid, held=held, fits=fits, is_known=True), {},
        )
        for kind, word, status, payment_id, is_test, ours, txid, held, fits in itertools.product(
            KINDS, ("pending", "paid", "expired", "failed"), STATUSES, ("7", "6"), bools, bools, ("", "ab" * 32),
            bools, bools,
        )
        if (kind, word) not in {("open", "paid"), ("seen", "paid")}
    ]


def test_no_news_ever_sets_a_settled_order_back_or_completes_without_paid():
    """All kinds of news, hub statuses, order states, payments, modes, methods, bookings and prices."""
    cases = every_case()
    answers = decide(*cases)

    moved = [(case, answer) for case, answer in zip(cases, answers, strict=True) if answer[0]]
    settled = ("processing", "completed", "refunded")
    assert len(cases) > 10_000 and len(moved) > 300
    assert [one for one in moved if one[0][1]["status"] in settled] == []
    assert [one for one in moved if not one[0][1]["is_ours"]] == []
    completed = [case for case, answer in moved if answer[0] == "paid"]
    assert all(
        given["status"] == "paid" and given["payment_id"] == "7" and not given["is_test"] and order["fits"]
        and order["status"] in ("pending", "on-hold") and not order["txid"]
        for given, order, _ in completed
    )
    silent = [case for case, answer in zip(cases, answers, strict=True)
              if case[0]["status"] == "paid" and case[1]["is_ours"] and not case[1]["txid"] and not answer[1]]
    assert silent == [], "money came and nobody was told"

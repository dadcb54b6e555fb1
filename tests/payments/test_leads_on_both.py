"""Reading a transaction id needs no database; following one and counting late money are seen on both."""

from __future__ import annotations

import pytest

from core.errors import InvalidTxid
from core.payments import leads
from tests.payments.test_leads import (  # noqa: F401  asked here without that file's mark: on SQLite and PostgreSQL
    TXID, test_a_page_and_a_visitor_have_only_so_many_tries,
    test_a_transaction_is_followed_from_the_head_until_it_is_counted,
    test_exact_money_after_the_late_window_is_counted_as_late_and_credits_nobody,
)

EXPLORER = "https://tronscan.org/#/transaction/"


@pytest.mark.parametrize("text", [
    TXID, TXID.upper(), f"  {TXID}\n", EXPLORER + TXID, f"https://nile.tronscan.org/#/transaction/{TXID}?lang=en",
    f"https://www.oklink.com/trx/tx/{TXID}", f"http://explorer.example/?hash={TXID}#overview",
    f"{EXPLORER}{TXID}?again={TXID.upper()}",
])
def test_a_transaction_id_is_read_as_people_paste_it(text: str) -> None:
    assert leads.parse_txid(text) == TXID


@pytest.mark.parametrize("text", [
    "", "hello", TXID[:-1], TXID + "0", "0x" + TXID, TXID[:-1] + "g", TXID[:-1] + "٣", f"{TXID} {TXID}", "https://",
    EXPLORER, EXPLORER + TXID[:-1], f"{EXPLORER}{TXID}/{'ab' * 32}", f"javascript:{TXID}", f"https://[{TXID}",
    EXPLORER + TXID + "x", f"tronscan.org/{TXID}", "https://x.example/" + "a/" * 400 + TXID,
])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidTxid):
        leads.parse_txid(text)

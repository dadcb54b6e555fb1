"""What the page says in each state: pure, from rows that no database has seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from checkout_ui.presenter import Page, confirmations, duration_text, present, split_sum, target_of
from checkout_ui.reading import Viewed
from checkout_ui.wording import (
    ENDED_ANOMALIES, GOES_BACK, NOTES, PAID_ANOMALIES, SENT_BACK, TEST_FAILED, WORDS, PageState,
)
from core.models import Payment, Refund
from core.money import Usdt
from core.payments.state import Anomaly, Status
from core.testing.hubs import START

ADDRESS = "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf"
TXID = "5e0c" * 16
EXPIRES_AT = START + timedelta(minutes=30)


def make_row(**columns: object) -> Payment:
    """Make a pending live payment of 50 USDT, or what the columns say."""
    given = {
        "payment_id": 123, "order_id": "ORDER_1", "description": "", "is_test": False, "amount_units": Usdt(50_000_000),
        "amount_text": "50.00", "pay_units": Usdt(50_013_400), "address": ADDRESS, "page_token": "t" * 22,
        "status": "pending", "anomaly": "none", "version": 1, "expires_at": EXPIRES_AT,
        "success_url": "https://shop.example.com/thanks", "fail_url": "https://shop.example.com/cart",
    }
    return Payment(**{**given, **columns})


def show(payment: Payment, *, after_s: float = 0, network: str = "mainnet", note: str = "", **viewed: object) -> Page:
    """Present a payment some seconds after it was opened."""
    seen = Viewed(payment, shop="Demo shop", **viewed)  # type: ignore[arg-type]
    return present(seen, now=START + timedelta(seconds=after_s), network=network, note=note)


def paid_row(**columns: object) -> Payment:
    return make_row(status="paid", txid=TXID, paid_at=START + timedelta(seconds=252), **columns)


def test_a_waiting_page_shows_amount_address_and_time():
    page = show(make_row(), after_s=55)

    assert page.state is PageState.WAITING
    assert (page.sum.exact, page.sum.start, page.sum.tag) == ("50.013400", "50.0", "13400")
    assert page.target is not None and page.target.address == ADDRESS
    assert page.countdown is not None and (page.countdown.seconds, page.countdown.text) == (1745, "29:05")
    assert page.can_cancel
    assert page.exit is None


@pytest.mark.parametrize("state", ["requested", "addressed", "verifying", "verified", "failed"])
def test_a_payer_whose_late_money_goes_back_is_told_so(state: str):
    """Not that nothing arrived: it did."""
    refund = Refund(units=Usdt(51_005_500), state=state, txid="ab" * 32)
    page = show(make_row(status="expired"), refunds=[refund])
    rows = [(row.label, row.text) for row in page.rows[-2:]]

    assert page.words == (SENT_BACK if state == "verified" else GOES_BACK)
    assert rows == [("Sent back", "51.005500 USDT"), ("Transaction of that", "ab" * 32)] or state != "verified"
    assert show(make_row(status="expired", anomaly="late"), refunds=[refund]).words == ENDED_ANOMALIES[Anomaly.LATE]
    part = show(paid_row(), refunds=[refund])
    assert part.words == WORDS[PageState.PAID]
    assert part.exit is not None and part.exit.after_s == 0  # there is something to read


QUOTE = {
    "amount_text": "1358.15", "price_text": "1249.50", "price_currency": "EUR", "rate": "0.92", "rate_sources": "table",
    "rate_at": START,
}


def test_a_priced_payment_shows_price_and_rate_in_every_state():
    for row in (make_row(**QUOTE), paid_row(**QUOTE)):
        page = show(row)

        assert page.fiat is not None
        assert (page.fiat.price, page.fiat.rate) == ("1\u202f249.50\u00a0EUR", "1\u00a0USDT = 0.92\u00a0EUR")
        assert [(one.label, one.text) for one in page.rows[1:5]] == [
            ("Price", "1\u202f249.50\u00a0EUR = 1358.15\u00a0USDT"), ("Rate", "1\u00a0USDT = 0.92\u00a0EUR"),
            ("Rate from", "the shop\u2019s own rates"), ("Rate of", "2026-07-01 18:00:00 UTC"),
        ]


def test_a_buyer_reads_whose_rate_it_is():
    sources = {row.label: row.text for row in show(make_row(**QUOTE | {"rate_sources": "kraken of_a_plugin"})).rows}

    assert sources["Rate from"] == "Kraken and of_a_plugin"


def test_a_payment_in_usdt_shows_no_rate():
    page = show(make_row())

    assert (page.fiat, [row.label for row in page.rows]) == (None, ["Order"])


def test_no_page_says_expired_before_the_chain_does():
    page = show(make_row(), after_s=1801)

    assert page.state is PageState.CHECKING
    assert "still checking the last blocks" in page.words.headline
    assert "expired" not in f"{page.words.headline} {page.words.detail}".lower()
    assert page.target is None and page.countdown is None


def test_the_last_second_still_counts_as_time_left():
    page = show(make_row(), after_s=1800)

    assert page.state is PageState.WAITING
    assert page.countdown is not None and page.countdown.text == "0:00"


@pytest.mark.parametrize(
    ("head_height", "count"), [(990, 1), (994, 1), (1000, 7), (1012, 19), (1050, 19)],
)
def test_a_detected_page_counts_confirmations_from_1_to_19(head_height: int, count: int):
    page = show(make_row(status="confirming"), seen_height=994, seen_txid=TXID, head_height=head_height)

    assert page.progress is not None
    assert (page.progress.count, page.progress.text) == (count, f"{count} of 19 confirmations")
    assert page.rows[-1].text == TXID
    assert not page.can_cancel
    assert confirmations(seen_height=994, head_height=head_height) == count


def test_a_paid_page_names_transaction_and_time_and_leads_to_the_success_url():
    page = show(paid_row())

    assert page.state is PageState.PAID
    assert [row.text for row in page.rows] == ["ORDER_1", "50.00 USDT", "2026-07-01 18:04:12 UTC", TXID]
    assert page.exit is not None
    assert (page.exit.url, page.exit.after_s) == ("https://shop.example.com/thanks", 3)
    assert page.poll_ms == 0 and page.refresh_s == 0


@pytest.mark.parametrize("status", ["expired", "canceled"])
def test_a_payment_that_ended_unpaid_leads_to_the_fail_url_and_shows_no_address(status: str):
    page = show(make_row(status=status), after_s=4000)

    assert page.words == WORDS[PageState(status)]
    assert page.exit is not None and page.exit.url == "https://shop.example.com/cart"
    assert page.target is None
    assert page.poll_ms > 0, "money beats cancel and expiry, so the page goes on asking"


@pytest.mark.parametrize("anomaly", ENDED_ANOMALIES)
@pytest.mark.parametrize("status", ["expired", "canceled"])
def test_money_that_went_astray_is_explained_and_nobody_is_sent_away(status: str, anomaly: Anomaly):
    page = show(make_row(status=status, anomaly=anomaly.value))

    assert page.words == ENDED_ANOMALIES[anomaly]
    assert page.exit is not None and page.exit.after_s == 0
    assert page.seal == "warning"


@pytest.mark.parametrize("anomaly", PAID_ANOMALIES)
def test_odd_money_on_a_paid_order_is_a_note(anomaly: Anomaly):
    page = show(paid_row(anomaly=anomaly.value))

    assert [note.text for note in page.notes] == [PAID_ANOMALIES[anomaly]]
    assert page.words.headline == "Paid"
    assert page.exit is not None and page.exit.after_s == 0


def test_too_little_money_on_an_open_payment_is_a_note():
    page = show(make_row(anomaly="underpaid"))

    assert page.state is PageState.WAITING
    assert page.notes[0].text.startswith("Less than the exact amount")


@pytest.mark.parametrize("is_test", [False, True])
@pytest.mark.parametrize("anomaly", Anomaly)
@pytest.mark.parametrize("status", Status)
def test_every_standing_has_a_page(status: Status, anomaly: Anomaly, is_test: bool):
    row = paid_row if status is Status.PAID else make_row
    columns = {} if status is Status.PAID else {"status": status.value}

    page = show(row(anomaly=anomaly.value, is_test=is_test, **columns))

    assert page.words.headline and page.words.detail and page.title.endswith("Demo shop")
    assert (page.target is None) != (page.state is PageState.WAITING)


def test_a_test_payment_meets_what_its_buttons_say_and_offers_no_wallet():
    page = show(make_row(is_test=True), network="devnet")

    assert [word for word, _ in page.scenarios] == ["complete", "under", "over", "fail", "expire"]
    assert not page.has_demo_wallet


def test_a_test_payment_made_to_fail_says_so():
    page = show(make_row(is_test=True, status="canceled", simulated="fail"))

    assert page.words == TEST_FAILED
    assert page.scenarios == ()


@pytest.mark.parametrize(("network", "offered"), [("devnet", True), ("nile", False), ("mainnet", False)])
def test_only_the_devnet_offers_the_demo_wallet(network: str, offered: bool):
    assert show(make_row(), network=network).has_demo_wallet is offered


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example"])
def test_u16_nothing_but_http_is_ever_a_way_out(url: str):
    assert show(paid_row(success_url=url)).exit is None


def test_without_a_return_url_the_website_is_offered_but_never_forced():
    page = show(paid_row(success_url=None), website="https://shop.example.com/")

    assert page.exit is not None
    assert (page.exit.url, page.exit.after_s) == ("https://shop.example.com/", 0)


def test_a_note_is_one_of_ours_or_nothing():
    assert [note.text for note in show(make_row(), note="transfer_underway").notes] == [NOTES["transfer_underway"]]
    assert show(make_row(), note="You won! Call +1 555").notes == ()


@pytest.mark.parametrize(
    ("pay", "price", "start", "tag"),
    [
        (50_013_400, 50_000_000, "50.0", "13400"),
        (50_000_100, 50_000_000, "50.000", "100"),
        (51_009_900, 50_990_000, "5", "1.009900"),
        (1, 1, "0.000001", ""),
    ],
)
def test_the_marked_end_begins_where_the_price_ends(pay: int, price: int, start: str, tag: str):
    parts = split_sum(pay=Usdt(pay), price=Usdt(price))

    assert (parts.start, parts.tag, parts.start + parts.tag) == (start, tag, parts.exact)


def test_c6_grouping_an_address_loses_nothing():
    target = target_of(ADDRESS)

    assert "".join(target.groups) == ADDRESS
    assert [len(group) for group in target.groups] == [4] * 8 + [2]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59, "0:59"), (1745, "29:05"), (3600, "1:00:00"), (86_399, "23:59:59")]
)
def test_a_span_is_written_as_a_clock_does(seconds: int, text: str):
    assert duration_text(seconds) == text


def test_a15_the_token_stays_out_of_what_gets_printed():
    assert "t" * 22 not in repr(show(make_row()))


def test_an_underpaid_page_says_what_arrived_and_what_is_missing():
    row = make_row(status="expired", anomaly="underpaid")
    rows = {one.label: one.text for one in show(row, arrived=Usdt(12_000_000)).rows}

    assert (rows["Arrived"], rows["Missing"]) == ("12.000000 USDT", "38.013400 USDT")

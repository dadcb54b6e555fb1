"""Rates: sources asked in turn and apart from each other, their last words kept, and judged when a price is quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from threading import Event

import pytest

from core.channels.registry import Registry
from core.clock import ManualClock
from core.contract import AdapterError, Http, Rate, RateSource
from core.errors import EgressFailed, OrderAmountConflict, RateUnavailable
from core.hub import Hub
from core.ids import Mode
from core.ledger import statements
from core.models import Payment
from core.payments import rates
from core.payments.controls import Scenario, simulate
from core.payments.rates import RatePoller, all_judged, judged, last_asked, missing_sources
from core.projects import policies, service
from core.testing.factories import know_rates, make_payment, make_shop
from core.testing.hubs import START
from tests.payments.conftest import make_till


ON_BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
ON_ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Stub(RateSource):
    """A source that says what it is told to, or fails so."""

    def __init__(self, name: str, *said: Rate | Exception) -> None:
        self.name, self.said, self.asked = name, list(said), 0  # type: ignore[misc]

    def fetch(self, http: Http) -> Sequence[Rate]:
        self.asked += 1
        if self.said and isinstance(self.said[0], Exception):
            raise self.said[0]
        return self.said  # type: ignore[return-value]


def euro(price: str, **more: object) -> Rate:
    return Rate("EUR", Decimal(price), **more)  # type: ignore[arg-type]


def with_sources(hub: Hub, *sources: Stub) -> RatePoller:
    """Give a hub these sources alone, all of them chosen."""
    hub.registry = Registry(rate_sources=sources)
    hub.settings = replace(hub.settings, rate_sources=tuple(source.name for source in sources))
    return RatePoller(hub)


def believed(hub: Hub, currency: str = "EUR") -> Decimal | None:
    with hub.database.snapshot() as session:
        return judged(session, hub, currency).rate


def errors(hub: Hub) -> dict[str, str]:
    with hub.database.snapshot() as session:
        return {name: row.error for name, row in last_asked(session).items()}


@ON_BOTH
def test_what_sources_say_is_kept_and_judged_together(hub: Hub):
    with_sources(hub, Stub("a", euro("0.92")), Stub("b", euro("0.93")), Stub("c", euro("7"))).step()

    with hub.database.snapshot() as session:
        [found] = all_judged(session, hub)

    assert (found.rate, found.sources) == (Decimal("0.925"), ("a", "b"))


@ON_ONE
@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (AdapterError("Kraken is away."), "Kraken is away."), (EgressFailed(), EgressFailed.sentence),
        (KeyError("rates"), "KeyError: 'rates'"),
    ],
)
def test_a_source_that_fails_stops_no_other_and_keeps_its_last_word(hub: Hub, clock: ManualClock, failure, said):
    first, second = Stub("a", euro("0.90")), Stub("b", euro("0.91"))
    poller = with_sources(hub, first, second)
    poller.step()
    clock.advance(seconds=60)
    first.said, second.said = [failure], [euro("0.912")]

    poller.step()

    assert (errors(hub), believed(hub)) == ({"a": said, "b": ""}, Decimal("0.906"))


@ON_ONE
def test_a_source_that_hangs_keeps_no_other_waiting_and_is_not_asked_meanwhile(
    hub: Hub, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rates, "LIMIT_S", 0.2)
    gate, hanging = Event(), Stub("a")
    hanging.fetch = lambda http: gate.wait(60) and []
    poller = with_sources(hub, hanging, Stub("b", euro("0.91")))

    poller.step()
    assert (errors(hub), believed(hub)) == ({"a": "It did not answer within 0.2 s.", "b": ""}, Decimal("0.91"))
    clock.advance(seconds=60)
    poller.step()
    gate.set()

    assert errors(hub)["a"].startswith("It has not come back since it was asked before")


@ON_BOTH
def test_a_source_is_asked_at_its_turn_and_once_by_two_loops(hub: Hub, clock: ManualClock):
    source = Stub("a", euro("0.92"))
    poller, other = with_sources(hub, source), RatePoller(hub)
    for _ in range(3):
        poller.step()
        other.step()
        clock.advance(seconds=30)

    assert source.asked == 2


@ON_ONE
def test_a_source_that_asks_for_a_pause_gets_it_up_to_an_hour(hub: Hub, clock: ManualClock):
    source = Stub("a", AdapterError("busy", retry_after_s=1e9))
    poller = with_sources(hub, source)
    poller.step()
    clock.advance(seconds=3599)
    poller.step()
    asked_within_the_hour = source.asked
    clock.advance(seconds=2)
    poller.step()

    assert (asked_within_the_hour, source.asked) == (1, 2)


@ON_ONE
@pytest.mark.parametrize("word", [
    euro("0"), euro("-1"), euro("NaN"), euro("Infinity"), euro("1e20"), Rate("BTC", Decimal(1)),
    Rate("eur", Decimal(1)),
    Rate("EUR", 0.92),  # type: ignore[arg-type]
], ids=str)
def test_nonsense_is_not_kept(hub: Hub, word: Rate):
    with_sources(hub, Stub("a", word)).step()

    assert (believed(hub), errors(hub)) == (None, {"a": "It gave no rate that can be used."})


@ON_ONE
def test_a_source_cannot_date_its_word_into_the_future(hub: Hub, clock: ManualClock):
    with_sources(hub, Stub("a", euro("0.92", at=START + timedelta(days=9)))).step()
    clock.advance(seconds=601)

    assert believed(hub) is None


@ON_ONE
def test_sources_that_are_no_longer_chosen_are_not_believed(hub: Hub):
    with_sources(hub, Stub("a", euro("0.92"))).step()
    hub.settings = replace(hub.settings, rate_sources=("b",))

    assert (believed(hub), missing_sources(hub)) == (None, ["b"])


@ON_ONE
def test_a_payment_keeps_the_quote_it_was_opened_with(hub: Hub, clock: ManualClock):
    shop = make_shop(hub)
    know_rates(hub, EUR="0.92")
    first = make_payment(hub, shop, amount="49.90", currency="EUR")
    know_rates(hub, EUR="0.50")

    again = make_payment(hub, shop, amount="49.90", currency="EUR")

    assert (again.id, again.amount_text, again.rate, again.rate_sources) == (first.id, "54.24", "0.92", "table")
    assert (again.price_text, again.price_currency, again.rate_at) == ("49.90", "EUR", START)


@ON_ONE
def test_an_open_payment_is_found_again_although_no_rate_is_known_any_more(hub: Hub, clock: ManualClock):
    shop = make_shop(hub)
    know_rates(hub, EUR="0.92")
    first = make_payment(hub, shop, amount="49.90", currency="EUR")
    clock.advance(seconds=1200)

    assert make_payment(hub, shop, amount="49.90", currency="EUR").id == first.id
    with pytest.raises(RateUnavailable):
        make_payment(hub, shop, order_id="NEW", amount="49.90", currency="EUR")


@ON_ONE
@pytest.mark.parametrize(("amount", "currency"), [("49.91", "EUR"), ("49.90", "USD"), ("54.24", "USDT")])
def test_another_price_for_the_same_order_is_a_conflict(hub: Hub, amount: str, currency: str):
    shop = make_shop(hub)
    know_rates(hub, EUR="0.92", USD="1")
    make_payment(hub, shop, amount="49.90", currency="EUR")

    with pytest.raises(OrderAmountConflict):
        make_payment(hub, shop, amount=amount, currency=currency)


@ON_ONE
def test_a_price_does_not_find_a_payment_asked_in_usdt(hub: Hub):
    shop = make_shop(hub)
    know_rates(hub, USD="1")
    make_payment(hub, shop, amount="50.00")

    with pytest.raises(OrderAmountConflict):
        make_payment(hub, shop, amount="50.00", currency="USD")


@ON_ONE
def test_an_order_that_ended_is_quoted_anew(hub: Hub):
    shop = make_shop(hub)
    know_rates(hub, EUR="0.92")
    first = make_payment(hub, shop, amount="46.00", currency="EUR", mode=Mode.TEST)
    with hub.database.transaction() as session:
        simulate(session, hub, session.get_one(Payment, first.id), Scenario.EXPIRE)
    know_rates(hub, EUR="0.46")

    again = make_payment(hub, shop, amount="46.00", currency="EUR", mode=Mode.TEST)

    assert (again.id != first.id, again.amount_text) == (True, "100.00")


@ON_BOTH
def test_statements_value_a_priced_payment_at_its_quote(hub: Hub):
    till = make_till(hub)
    know_rates(hub, EUR="0.92")
    payment = make_payment(hub, till.shop, amount="49.90", currency="EUR")
    till.pay(payment.address, payment.pay_units.units)

    [row] = rows_of(hub, till.shop.project_id)

    came = Decimal(payment.pay_units.units) * Decimal("0.92") / 10**6
    assert (row["price"], row["value_currency"], row["value_rate"]) == ("49.90 EUR", "EUR", "0.92")
    assert abs(Decimal(row["value"]) - came) <= Decimal("0.005")


@ON_ONE
def test_statements_value_other_payments_at_the_rate_of_their_hour(hub: Hub):
    till = make_till(hub)
    with hub.database.transaction() as session:
        policies.set_policy(service.get_project(session, till.shop.project_id), reporting_currency="JPY")
    poller = with_sources(hub, Stub("a", Rate("JPY", Decimal("0.90"))))
    poller.step()
    payment = till.order("A", "50.00")
    till.pay(payment.address, payment.pay_units.units)

    [row] = rows_of(hub, till.shop.project_id)

    assert (row["price"], row["value"], row["value_currency"], row["value_rate"]) == ("", "45", "JPY", "0.9")


@ON_ONE
def test_what_is_not_known_is_not_invented(hub: Hub):
    till = make_till(hub)
    payment = till.order("A", "50.00")
    till.pay(payment.address, payment.pay_units.units)
    with hub.database.transaction() as session:
        policies.set_policy(service.get_project(session, till.shop.project_id), reporting_currency="EUR")

    [row] = rows_of(hub, till.shop.project_id)

    assert (row["value"], row["value_currency"], row["value_rate"]) == ("", "", "")


def rows_of(hub: Hub, project_id: int) -> list[dict[str, str]]:
    with hub.database.snapshot() as session:
        return statements.as_rows(statements.statement(
            session, project_id, since=START - timedelta(days=1), until=START + timedelta(days=9)
        ))

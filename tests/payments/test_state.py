"""Every standing against every combination of facts."""

from __future__ import annotations

from itertools import product

import pytest

from core.payments.state import ENOUGH, OPEN, PUBLIC_WORDS, Anomaly, Facts, Money, Standing, Status, settle

ALL_FACTS = [
    Facts(money, *flags) for money in Money for flags in product((False, True), repeat=7)
]
ALL_STANDINGS = [Standing(status, anomaly) for status in Status for anomaly in Anomaly]
PAID = Standing(Status.PAID)


@pytest.mark.parametrize("before", ALL_STANDINGS, ids=lambda standing: f"{standing.status}-{standing.anomaly}")
def test_settling_twice_changes_nothing_more(before: Standing):
    unsettled = [facts for facts in ALL_FACTS if settle(settle(before, facts), facts) != settle(before, facts)]

    assert unsettled == []


@pytest.mark.parametrize("anomaly", Anomaly)
def test_paid_is_final(anomaly: Anomaly):
    left = [facts for facts in ALL_FACTS if settle(Standing(Status.PAID, anomaly), facts).status is not Status.PAID]

    assert left == []


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PAID])
def test_paid_needs_enough_timely_or_accepted_money_and_a_free_order(status: Status):
    paid = {facts for facts in ALL_FACTS if settle(Standing(status), facts).status is Status.PAID}

    assert paid == {
        facts
        for facts in ALL_FACTS
        if not facts.order_taken
        and ((facts.money in ENOUGH and (facts.timely or facts.accepted))
             or (facts.money is Money.SHORT and facts.accepted))
    }


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PAID])
def test_an_open_payment_is_one_without_enough_money_cancel_close_or_rival(status: Status):
    still_open = {facts for facts in ALL_FACTS if settle(Standing(status), facts).status in OPEN}

    assert still_open == {
        facts
        for facts in ALL_FACTS
        if (facts.money is Money.NONE or (facts.money is Money.SHORT and not facts.accepted))
        and not (facts.canceled or facts.closed or facts.order_taken)
    }


def test_money_beats_cancel():
    facts = Facts(money=Money.EXACT, timely=True, canceled=True, closed=True)

    assert settle(Standing(Status.CANCELED), facts) == PAID


def test_money_for_an_order_that_another_payment_has_taken_is_a_duplicate():
    facts = Facts(money=Money.EXACT, timely=True, canceled=True, order_taken=True)

    assert settle(Standing(Status.CANCELED), facts) == Standing(Status.CANCELED, Anomaly.DUPLICATE)


def test_late_money_is_noted_and_pays_nothing():
    facts = Facts(money=Money.EXACT, timely=False, closed=True)

    assert settle(Standing(Status.EXPIRED), facts) == Standing(Status.EXPIRED, Anomaly.LATE)


def test_a_second_transfer_to_a_paid_payment_is_a_duplicate():
    facts = Facts(money=Money.EXACT, timely=True, repeated=True)

    assert settle(PAID, facts) == Standing(Status.PAID, Anomaly.DUPLICATE)


def test_what_is_odd_is_odd_no_longer_once_it_was_sent_back():
    duplicate = Standing(Status.PAID, Anomaly.DUPLICATE)

    assert settle(duplicate, Facts(money=Money.EXACT, timely=True)) == PAID


def test_money_short_within_the_tolerance_pays_and_is_noted_as_accepted():
    facts = Facts(money=Money.NEAR, timely=True)

    assert settle(Standing(Status.PENDING), facts) == Standing(Status.PAID, Anomaly.ACCEPTED)


@pytest.mark.parametrize("money", [Money.SHORT, Money.NEAR, Money.EXACT, Money.OVER])
def test_what_a_human_accepts_pays_however_short_or_late(money: Money):
    facts = Facts(money=money, closed=True, accepted=True)

    assert settle(Standing(Status.EXPIRED), facts) == Standing(Status.PAID, Anomaly.ACCEPTED)


def test_nothing_but_money_pays():
    paid = {
        facts.money for facts in ALL_FACTS for status in Status
        if status is not Status.PAID and settle(Standing(status), facts).status is Status.PAID
    }

    assert Money.NONE not in paid


def test_short_money_never_pays_by_itself_but_is_noted():
    notes = {
        settle(Standing(Status.PENDING), facts).anomaly
        for facts in ALL_FACTS if facts.money is Money.SHORT and not facts.accepted
    }

    assert notes == {Anomaly.UNDERPAID}


def test_a_sighting_only_confirms_and_is_withdrawn_with_its_block():
    seen = settle(Standing(Status.PENDING), Facts(seen=True))

    assert (seen.status, settle(seen, Facts()).status) == (Status.CONFIRMING, Status.PENDING)


def test_every_status_has_a_public_word():
    assert PUBLIC_WORDS == {
        "pending": "pending", "confirming": "pending", "paid": "paid", "expired": "expired", "canceled": "failed",
    }

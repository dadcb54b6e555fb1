"""Unique amounts: what is promised is never promised twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from core.errors import NoFreeAmount, NoReceivingAddress
from core.hub import Hub
from core.models import Reservation
from core.money import Usdt
from core.payments.reservations import TAG_LIMIT, free_tags, release_passed, reserve
from core.testing.factories import add_fresh_address, make_payment, make_shop
from core.testing.hubs import START


def test_the_first_199_tags_are_steps_of_100_units():
    first = next(free_tags(set()))

    assert first == list(range(100, 20_000, 100))


def test_finer_tags_follow_when_the_coarse_ones_are_taken():
    taken = set(range(100, 20_000, 100))

    levels = list(free_tags(taken))

    assert [level[0] for level in levels] == [10, 1]
    assert sum(len(level) for level in levels) + len(taken) == TAG_LIMIT


def test_two_hundred_payments_of_one_price_get_two_hundred_amounts(hub: Hub):
    shop = make_shop(hub)

    amounts = {make_payment(hub, shop, order_id=f"O{n}").pay_units.units for n in range(200)}

    assert len(amounts) == 200
    assert sum((units - 50_000_000) % 100 == 0 for units in amounts) == 199


def test_a_held_amount_cannot_be_promised_again_whatever_the_code_does(hub: Hub):
    shop = make_shop(hub)
    payment = make_payment(hub, shop)

    with pytest.raises(IntegrityError), hub.database.transaction() as session:
        held = session.scalars(select(Reservation).where(Reservation.id == payment.reservation_id)).one()
        session.execute(
            insert(Reservation).values(
                address_id=held.address_id, pay_units=held.pay_units, from_height=0, held_until=START
            )
        )


def test_the_next_address_is_used_when_one_is_full_and_then_a_clear_503(hub: Hub):
    shop = make_shop(hub)
    due = Usdt(1_000_000)
    with hub.database.transaction() as session:
        second = add_fresh_address(session, hub, shop.merchant_id)
        full = [
            {"address_id": shop.address.id, "pay_units": Usdt(due.units + tag), "from_height": 0,
             "held_until": START + timedelta(days=1)}
            for tag in range(1, TAG_LIMIT + 1)
        ]
        session.execute(insert(Reservation), full)

    with hub.database.transaction() as session:
        slot = reserve(
            session, hub, merchant_id=shop.merchant_id, due=due, from_height=0,
            held_until=START + timedelta(days=1),
        )
        for row in full:
            row["address_id"] = second.id
        taken = slot.pay
        session.execute(insert(Reservation), [row for row in full if row["pay_units"] != taken])

    assert slot.address == second.base58
    with pytest.raises(NoFreeAmount), hub.database.transaction() as session:
        reserve(
            session, hub, merchant_id=shop.merchant_id, due=due, from_height=0, held_until=START
        )


def test_without_an_address_a_live_payment_is_refused(hub: Hub):
    shop = make_shop(hub, with_address=False)

    with pytest.raises(NoReceivingAddress):
        make_payment(hub, shop)


def test_an_amount_is_free_again_only_after_the_late_window_on_chain_time(hub: Hub):
    shop = make_shop(hub)
    payment = make_payment(hub, shop)
    late_end = payment.expires_at + timedelta(hours=24)

    with hub.database.transaction() as session:
        release_passed(session, block_time=late_end)
        held = session.get_one(Reservation, payment.reservation_id)
        at_the_end = held.released_at
        release_passed(session, block_time=late_end + timedelta(milliseconds=1))
        session.refresh(held)

    assert (at_the_end, held.released_at) == (None, late_end + timedelta(milliseconds=1))

"""Per-project policies: tolerance, late money, addresses for one payment alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from core.errors import AddressInUse, GatewayError, InvalidField, NoFreeAmount, NoReceivingAddress
from core.hub import Hub
from core.models import Payment, Reservation
from core.money import Usdt
from core.payments import inbox
from core.payments.controls import cancel
from core.projects import receiving
from core.testing.factories import add_fresh_address
from core.testing.hubs import START
from tests.chain.test_xpub import ACCOUNT, ADDRESSES
from tests.payments.conftest import Till


@pytest.mark.parametrize(("off", "standing"), [
    (0, ("paid", "none")), (-1, ("paid", "accepted")), (-500_000, ("paid", "accepted")),
    (-500_001, ("pending", "none")), (1, ("pending", "none")),
])
def test_a_tolerance_is_for_a_shortfall_up_to_it(till: Till, off: int, standing: tuple[str, str]):
    till.set_policy(tolerance="0.5")
    payment = till.order()

    till.pay(payment.address, payment.pay_units.units + off)

    assert till.standing(payment) == standing


def test_a_tolerance_is_for_nobody_who_has_canceled(till: Till):
    till.set_policy(tolerance="0.5")
    payment = till.order()
    with till.hub.database.transaction() as session:
        cancel(session, till.hub, session.get_one(Payment, payment.id))

    short = till.pay(payment.address, payment.pay_units.units - 1)

    assert (till.standing(payment), till.bucket(short)) == (("canceled", "underpaid"), "underpaid")
    till.act(inbox.accept, short)
    assert till.standing(payment) == ("paid", "accepted")


def test_what_a_project_is_owed_is_what_came(till: Till):
    till.set_policy(tolerance="0.5")
    payment = till.order()

    till.pay(payment.address, payment.pay_units.units - 300_000)

    assert till.books() == {"project": payment.pay_units.units - 300_000}
    assert till.events(payment) == ["created", "paid", "accepted"]


def test_without_a_tolerance_one_unit_short_pays_nothing(till: Till):
    payment = till.order()

    transfer_id = till.pay(payment.address, payment.pay_units.units - 1)

    assert (till.standing(payment)[0], till.bucket(transfer_id)) == ("pending", "unknown")


def test_open_amounts_keep_the_tolerance_between_them(till: Till):
    till.set_policy(tolerance="0.001")

    amounts = sorted(till.order(f"O{number}").pay_units.units for number in range(8))

    assert min(b - a for a, b in zip(amounts, amounts[1:])) > 1_000


def test_a_tolerance_wider_than_the_tags_takes_the_next_address_and_then_refuses(till: Till):
    till.set_policy(tolerance="0.5")
    with till.hub.database.transaction() as session:
        second = add_fresh_address(session, till.hub, till.shop.merchant_id).base58
    first = till.order("A", "50.00").address

    assert till.order("B", "50.30").address == second != first
    with pytest.raises(NoFreeAmount):
        till.order("C", "49.90")
    assert till.order("D", "51.00").address == first


def test_an_amount_without_tolerance_stays_out_of_the_reach_of_one_with(till: Till):
    till.set_policy(tolerance="0.01")
    tolerant = till.order("A", "50.00")
    till.set_policy(tolerance="0")

    plain = [till.order(f"O{number}", "49.995").pay_units.units for number in range(20)]

    reach = range(tolerant.pay_units.units - 10_000, tolerant.pay_units.units)
    assert [units for units in plain if units in reach] == []


def test_a_shortfall_that_two_payments_could_mean_is_ambiguous(till: Till):
    """The allocator keeps them apart; should two stand too near all the same, nobody is credited."""
    till.set_policy(tolerance="0.01")
    one, other = till.order("A", "50.00"), till.order("B", "50.10")
    with till.hub.database.transaction() as session:
        near = session.get_one(Reservation, other.reservation_id)
        near.pay_units = Usdt(one.pay_units.units + 50)

    transfer_id = till.pay(one.address, one.pay_units.units - 100)

    assert till.bucket(transfer_id) == "ambiguous"
    assert (till.standing(one)[0], till.standing(other)[0]) == ("pending", "pending")
    assert till.waiting() == [transfer_id]


def test_a_shortfall_of_a_payment_already_paid_is_nobodys(till: Till):
    till.set_policy(tolerance="0.5")
    payment = till.order()
    till.pay(payment.address, payment.pay_units.units)

    transfer_id = till.pay(payment.address, payment.pay_units.units - 10)

    assert (till.bucket(transfer_id), till.standing(payment)) == ("unknown", ("paid", "none"))


def test_a_tolerance_never_exceeds_half_the_price(till: Till):
    till.set_policy(tolerance="5")
    payment = till.order("A", "1.00")

    till.pay(payment.address, payment.pay_units.units - 500_001)

    assert till.standing(payment)[0] == "pending"


@pytest.mark.parametrize(("minutes", "standing"), [(9, ("paid", "accepted")), (11, ("expired", "late"))])
def test_late_money_pays_inside_the_policys_window(till: Till, minutes: int, standing: tuple[str, str]):
    till.set_policy(late_accept_s=600)
    payment = till.order()
    till.chain.skip_to(payment.expires_at + timedelta(minutes=minutes, seconds=-30))
    till.scanner.scan_once()

    till.pay(payment.address, payment.pay_units.units)

    assert till.standing(payment) == standing
    assert till.books() == {"project" if standing[0] == "paid" else "unassigned": payment.pay_units.units}


def test_late_money_for_an_order_that_was_opened_anew_waits(till: Till):
    till.set_policy(late_accept_s=3600)
    payment = till.order()
    till.chain.skip_to(payment.expires_at + timedelta(minutes=1))
    till.scanner.scan_once()
    till.hub.clock.advance(minutes=40)  # type: ignore[attr-defined]
    till.order()

    till.pay(payment.address, payment.pay_units.units)

    assert till.standing(payment) == ("expired", "duplicate")


def test_a_policy_breaks_no_promise_already_made(till: Till):
    payment = till.order()
    till.set_policy(tolerance="0.5")

    till.pay(payment.address, payment.pay_units.units - 1)

    assert till.standing(payment)[0] == "pending"


@pytest.mark.parametrize("changes", [
    {"tolerance": "5.000001"}, {"tolerance": "-1"}, {"tolerance": "x"}, {"tolerance": "0.0000001"},
    {"late_accept_s": 86_401}, {"late_accept_s": -1}, {"addressing": "mine"}, {"overpaid_note": "a\nb"},
    {"overpaid_note": "x" * 301},
])
def test_an_unfit_policy_is_refused(till: Till, changes: dict[str, object]):
    with pytest.raises(GatewayError):
        till.set_policy(**changes)


def test_an_address_of_the_pool_is_one_payments_at_a_time(till: Till):
    till.set_policy(addressing="pool")
    with pytest.raises(NoReceivingAddress):
        till.order()
    address = till.shop.address.base58  # type: ignore[union-attr]
    till.pool(address)

    payment = till.order()

    assert (payment.address, payment.pay_units.units) == (address, 50_000_000)  # no tag
    with pytest.raises(NoFreeAmount, match="pool"):
        till.order("B")
    with pytest.raises(IntegrityError), till.hub.database.transaction() as session:
        held = session.get_one(Reservation, payment.reservation_id)
        session.execute(insert(Reservation).values(
            address_id=held.address_id, pay_units=Usdt(1), from_height=0, held_until=START, exclusive=True
        ))


def test_parts_to_an_address_of_the_pool_add_up(till: Till):
    till.set_policy(addressing="pool")
    till.pool(till.shop.address.base58)  # type: ignore[union-attr]
    payment = till.order()

    till.pay(payment.address, 20_000_000)
    short = till.standing(payment)
    till.pay(payment.address, 31_000_000)

    assert (short, till.standing(payment)) == (("pending", "underpaid"), ("paid", "overpaid"))
    assert till.books() == {"project": 50_000_000, "unassigned": 1_000_000}


def test_the_pool_offers_the_address_that_was_idle_longest(till: Till):
    till.set_policy(addressing="pool")
    with till.hub.database.transaction() as session:
        second = add_fresh_address(session, till.hub, till.shop.merchant_id).base58
    first = till.shop.address.base58  # type: ignore[union-attr]
    till.pool(first, second)
    used = [till.order(name).address for name in ("A", "B")]
    with till.hub.database.transaction() as session:
        for row in session.scalars(select(Reservation)):
            row.released_at = START

    assert [till.order(name).address for name in ("C", "D")] == used == [first, second]


def test_shared_payments_keep_away_from_the_pool_and_back(till: Till):
    address = till.shop.address.base58  # type: ignore[union-attr]
    payment = till.order()
    with pytest.raises(AddressInUse):
        till.pool(address)
    with till.hub.database.transaction() as session:
        session.get_one(Reservation, payment.reservation_id).released_at = START
    till.pool(address)

    with pytest.raises(NoReceivingAddress):
        till.order("B")


def test_a_derived_address_is_in_no_pool(till: Till):
    with till.hub.database.transaction() as session:
        receiving.add_xpub(session, till.hub, merchant_id=till.shop.merchant_id, xpub=ACCOUNT)
    payment = till.order()

    with pytest.raises(InvalidField):
        till.pool(payment.address)


@pytest.mark.parametrize("addressing", ["auto", "shared", "xpub"])
def test_each_project_chooses_where_its_addresses_come_from(till: Till, addressing: str):
    with till.hub.database.transaction() as session:
        receiving.add_xpub(session, till.hub, merchant_id=till.shop.merchant_id, xpub=ACCOUNT)
    till.set_policy(addressing=addressing)

    address = till.order().address

    assert address == (till.shop.address.base58 if addressing == "shared" else ADDRESSES[0])  # type: ignore[union-attr]


def test_a_project_that_wants_an_xpub_has_none_yet(till: Till):
    till.set_policy(addressing="xpub")

    with pytest.raises(NoReceivingAddress):
        till.order()


def test_the_head_shows_any_amount_on_an_address_of_the_pool(till: Till, hub: Hub):
    from core.chain.lookahead import Lookahead

    till.set_policy(addressing="pool")
    till.pool(till.shop.address.base58)  # type: ignore[union-attr]
    payment: Payment = till.order()
    till.chain.mine(till.chain.transfer(payment.address, 7), solid=False)

    Lookahead(hub, till.chain.fleet(hub.clock)).look_once()

    assert till.standing(payment)[0] == "confirming"

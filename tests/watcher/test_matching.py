"""T21 to T27: which payment a transfer means; T25 with account xpubs is in tests/projects/test_receiving.py."""

from __future__ import annotations

import pytest

from core.chain.decode import BlockInconsistent
from core.models import Project, Reservation
from core.projects import receiving
from tests.watcher.conftest import Scene, everywhere, needs


@everywhere
def test_t21_the_exact_amount_inside_the_window_pays(scene: Scene):
    payment = scene.order()
    scene.pay(payment)

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("paid", "none"), ["matched"])


@everywhere
@pytest.mark.parametrize("off", [-1, 1])
def test_t21_one_micro_unit_off_is_listed_and_pays_nothing(scene: Scene, off: int):
    payment = scene.order()
    scene.pay(payment, off=off)

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), ["unknown"])


@everywhere
def test_t22_the_same_amount_twice_is_a_payment_and_a_duplicate(scene: Scene):
    payment = scene.order()
    scene.pay(payment)
    scene.scan()
    scene.pay(payment)

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("paid", "duplicate"), ["matched", "duplicate"])
    assert scene.owed == payment.pay_units.units


@everywhere
def test_t23_money_after_expiry_is_late_and_not_lost(scene: Scene):
    payment = scene.brief_order()
    scene.chain.let_pass(payment.expires_at)
    scene.scan()
    scene.pay(payment)

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("expired", "late"), ["late"])


@everywhere
def test_t24_after_a_day_of_downtime_the_blocks_own_time_decides(scene: Scene):
    payment = scene.brief_order()
    scene.pay(payment)
    late = scene.brief_order("ORDER_2")
    scene.chain.let_pass(late.expires_at)
    scene.pay(late)
    scene.chain.let_a_day_pass()

    scene.scan()

    assert (scene.standing(payment), scene.standing(late)) == (("paid", "none"), ("expired", "late"))


@everywhere
def test_t25_what_comes_in_parts_to_an_address_of_its_own_sums_up(scene: Scene):
    with scene.hub.database.transaction() as session:
        receiving.set_exclusive(session, address=scene.address, exclusive=True)
        session.get_one(Project, scene.shop.project_id).addressing = "pool"
    payment = scene.order()
    part = payment.pay_units.units // 3
    scene.chain.mine(scene.chain.transfer(payment.address, part))
    scene.scan()
    partly = scene.standing(payment)
    scene.chain.mine(scene.chain.transfer(payment.address, payment.pay_units.units - part))

    scene.scan()

    assert (partly, scene.standing(payment)) == (("pending", "underpaid"), ("paid", "none"))
    assert (scene.owed, len(scene.buckets)) == (payment.pay_units.units, 2)


@everywhere
def test_t26_money_older_than_the_promise_cannot_mean_it(scene: Scene):
    """The amount was free again and is promised anew; the block that is scanned only now is older."""
    payment = scene.order()
    scene.chain.let_a_day_pass()
    old = scene.pay(payment)
    with scene.hub.database.transaction() as session:
        promise = session.get_one(Reservation, payment.reservation_id)
        promise.from_height = old

    scene.scan()

    assert scene.buckets == ["unknown"]


@needs("the contract's owner, who mints")
@pytest.mark.parametrize("units", [2**63, 2**256 - 1])
def test_t27_more_than_all_usdt_there_is_stops_the_block_and_credits_nothing(scene: Scene, units: int):
    scene.chain.mine(scene.chain.transfer(scene.address, units))
    before = scene.height

    with pytest.raises(BlockInconsistent, match="impossible amount"):
        scene.scan()

    assert (scene.height, scene.buckets) == (before, [])


@needs("the contract's owner, who mints")
def test_t27_large_amounts_stay_exact(scene: Scene):
    scene.chain.mine(scene.chain.transfer(scene.address, 2**62 + 1))

    scene.scan()

    assert [row.units.units for row in scene.transfers] == [2**62 + 1]

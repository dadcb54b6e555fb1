"""T1 to T20: what is money, what only looks like it. More of them on a devnet, where a body must differ: beside it."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import func, select

from core.alarms import standing_alarms
from core.chain.addresses import ZERO_ADDRESS, address_of, parse_address
from core.chain.decode import Log
from core.chain.notices import NOTICE_TOPICS, NoticeKind
from core.models import Outgoing
from core.projects import receiving
from core.testing.factories import make_shop
from tests.watcher.conftest import Scene, everywhere, needs, worlds

FAKE = "TG3XXyExBkPp9nzdajDZsozEu4BkaSJozs"
ANY = ("memory", "devnet", "node")
A_ROUTER = "a router contract on that chain"


@worlds(*ANY)
def test_t1_a_plain_transfer_is_one_deposit_credited_when_solid(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.transfer(payment.address, payment.pay_units.units), solid=False)
    scene.scan()
    unsolid = scene.standing(payment)
    scene.chain.solid = scene.chain.head

    scene.scan()
    scene.scan()

    assert (unsolid, scene.standing(payment)) == (("pending", "none"), ("paid", "none"))
    assert (scene.events(payment), scene.owed) == (["created", "paid"], payment.pay_units.units)


@worlds(*ANY)
def test_t2_the_payer_of_a_transfer_from_is_the_logs_sender(scene: Scene):
    payment = scene.order()
    payer = scene.chain.payer
    scene.pay(payment, sender=payer)

    scene.scan()

    assert [row.sender for row in scene.transfers] == [payer]
    assert scene.standing(payment) == ("paid", "none")


@needs(A_ROUTER)
def test_t3_a_router_that_logs_something_first_still_pays(scene: Scene):
    payment = scene.order()
    noise = msgspec.structs.replace(scene.chain.log(scene.chain.payer, 1, contract=FAKE), topics=("ab" * 32,))
    scene.mine(noise, scene.chain.log(payment.address, payment.pay_units.units))

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")
    assert [(row.log_index, row.block_index) for row in scene.transfers] == [(1, 1)]


@needs(A_ROUTER)
def test_t4_three_logs_to_three_addresses_are_three_deposits(scene: Scene):
    more = [scene.watch(scene.chain.fresh_address()) for _ in range(2)]
    scene.mine(*[scene.chain.log(address, 7) for address in (scene.address, *more)])

    scene.scan()

    assert scene.buckets == ["unknown"] * 3


@everywhere
@needs(A_ROUTER)
def test_t5_two_identical_logs_in_one_transaction_are_two_deposits(scene: Scene):
    payment = scene.order()
    scene.pay(payment, copies=2)

    scene.scan()

    assert scene.buckets == ["matched", "duplicate"]
    assert [row.log_index for row in scene.transfers] == [0, 1]


@everywhere
@needs("a second token on that chain")
def test_t6_a_fake_token_pays_nothing(scene: Scene):
    payment = scene.order()
    scene.pay(payment, contract=FAKE)

    scene.scan()

    assert (scene.standing(payment), scene.buckets, scene.counts) == (("pending", "none"), [], {"fake_token": 1})


@everywhere
def test_t7_a_zero_value_transfer_changes_nothing(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.transfer(payment.address, 0))

    scene.scan()

    assert (scene.events(payment), scene.buckets, scene.counts) == (["created"], [], {"zero_value": 1})


@everywhere
def test_t8_a_zero_value_transfer_from_us_is_no_outgoing_payment(scene: Scene):
    scene.chain.mine(scene.chain.transfer(scene.chain.payer, 0, sender=scene.address))

    scene.scan()

    with scene.hub.database.snapshot() as session:
        assert session.scalar(select(func.count(Outgoing.id))) == 0


@everywhere
def test_t9_dust_is_listed_and_matches_nothing(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.transfer(payment.address, 1))

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), ["unknown"])


@needs("the contract's owner, who switches its fee on")
def test_t10_with_the_fee_switched_on_only_what_arrived_counts(scene: Scene):
    payment = scene.order()
    fee = 1_000
    owner = address_of(b"\x33" * 20).base58
    scene.mine(
        scene.chain.log(payment.address, payment.pay_units.units - fee), scene.chain.log(owner, fee)
    )

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), ["unknown"])
    assert [row.units.units for row in scene.transfers] == [payment.pay_units.units - fee]


@everywhere
def test_t11_other_events_of_the_contract_are_not_money(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.approval(payment.address, payment.pay_units.units))

    scene.scan()

    assert (scene.standing(payment), scene.buckets, scene.counts) == (("pending", "none"), [], {})


@needs("a contract that logs what nearly is a Transfer")
@pytest.mark.parametrize("topics", [0, 1, 2, 4])
def test_t12_a_log_of_another_shape_is_ignored(scene: Scene, topics: int):
    payment = scene.order()
    log = scene.chain.log(payment.address, payment.pay_units.units)
    odd = msgspec.structs.replace(log, topics=(*log.topics, "00" * 32)[:topics], data="" if topics == 4 else log.data)
    scene.mine(odd)

    scene.scan()

    assert (scene.standing(payment), scene.height) == (("pending", "none"), scene.chain.solid)


@everywhere
def test_t13_a_trx_transfer_is_no_deposit(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.trx(payment.address, payment.pay_units.units))

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), [])


@everywhere
def test_t14_a_sweep_within_one_merchant_is_internal(scene: Scene):
    payer = scene.watch(scene.chain.payer)
    scene.chain.mine(scene.chain.transfer(scene.address, 9, sender=payer))

    scene.scan()

    assert (scene.buckets_of(scene.address), scene.owed) == (["internal"], 0)
    with scene.hub.database.snapshot() as session:
        assert session.scalars(select(Outgoing.units)).one().units == 9


@everywhere
def test_t14_a_reservation_comes_first_even_from_our_own_address(scene: Scene):
    payment = scene.order()
    scene.pay(payment, sender=scene.watch(scene.chain.payer))

    scene.scan()

    assert (scene.standing(payment), scene.buckets_of(scene.address)) == (("paid", "none"), ["matched"])


@everywhere
def test_t14_one_merchant_may_pay_another(scene: Scene):
    other = make_shop(scene.hub, website="https://other.example.com", with_address=False)
    payer = scene.watch(scene.chain.payer, shop=other)
    payment = scene.order()
    scene.pay(payment, sender=payer)
    scene.chain.mine(scene.chain.transfer(scene.address, 5, sender=payer))

    scene.scan()

    assert (scene.standing(payment), scene.buckets_of(scene.address)) == (("paid", "none"), ["matched", "unknown"])


@needs("the contract's owner, who mints")
def test_t15_a_mint_to_us_is_a_deposit(scene: Scene):
    payment = scene.order()
    scene.pay(payment, sender=ZERO_ADDRESS.base58)

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")


@worlds(*ANY)
@pytest.mark.parametrize("receipt", ["REVERT", "OUT_OF_ENERGY"])
def test_t16_a_reverted_call_pays_nothing(scene: Scene, receipt: str):
    payment = scene.order()
    scene.pay(payment, receipt=receipt, result="FAILED", copies=0)

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), [])


@everywhere
@needs("a contract that runs out of time after a log")
@pytest.mark.parametrize("receipt", ["OUT_OF_TIME", "JVM_STACK_OVER_FLOW"])
def test_t17_a_failed_transaction_that_kept_its_log_pays_nothing(scene: Scene, receipt: str):
    payment = scene.order()
    scene.pay(payment, receipt=receipt, result="FAILED")

    scene.scan()

    assert (scene.standing(payment), scene.buckets, scene.counts) == (("pending", "none"), [], {"failed": 1})


@everywhere
@needs("a node that leaves a receipt's result out")
def test_t18_failed_without_a_receipt_result_pays_nothing(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.silent_failure(payment.address, payment.pay_units.units))

    scene.scan()

    assert (scene.standing(payment), scene.buckets, scene.counts) == (("pending", "none"), [], {"failed": 1})


@everywhere
def test_t19_success_is_the_receipts_word_not_the_return_value(scene: Scene):
    """USDT's transfer() returns false on success: what it returned is not even read."""
    payment = scene.order()
    scene.pay(payment, receipt="SUCCESS")

    scene.scan()

    assert scene.standing(payment) == ("paid", "none")


@needs(A_ROUTER)
def test_t20_an_inner_revert_leaves_no_log_and_pays_nothing(scene: Scene):
    payment = scene.order()
    scene.chain.mine(scene.chain.transaction(receipt="SUCCESS"))

    scene.scan()

    assert (scene.standing(payment), scene.buckets) == (("pending", "none"), [])


@needs("the contract's owner, who lists it")
def test_an_address_on_the_contracts_blacklist_is_told(scene: Scene):
    topic = next(topic for topic, kind in NOTICE_TOPICS.items() if kind is NoticeKind.BLACKLISTED)
    usdt = parse_address(scene.chain.usdt_contract).raw20.hex()
    listed = Log(address=usdt, topics=(topic,), data=parse_address(scene.address).raw20.hex().rjust(64, "0"))
    scene.mine(listed)

    scene.scan()

    with scene.hub.database.snapshot() as session:
        assert [(alarm.kind, alarm.subject) for alarm in standing_alarms(session)] == [
            ("address_blacklisted", scene.address)
        ]
        assert receiving.find_address(session, scene.address).blacklisted_at is not None

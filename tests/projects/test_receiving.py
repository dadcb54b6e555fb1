"""Where customers pay: read-back, first payment, retiring, account xpubs, held addresses."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey
from sqlalchemy import select
from tronpy.keys import PrivateKey as TronKey

from core.alarms import standing_alarms
from core.chain.scanner import Scanner
from core.errors import AddressInUse, AddressTaken, InvalidField, ReadBackDiffers
from core.hub import Hub
from core.ids import Mode
from core.ledger import journal
from core.models import Address, Payment, Transfer
from core.money import parse_amount
from core.payments.service import Order, open_payment
from core.projects import receiving, service
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT
from tests.chain.test_xpub import ACCOUNT, ADDRESSES

OWN = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"


@pytest.fixture
def chain() -> FakeChain:
    chain = FakeChain(TEST_CONTRACT, START)
    chain.skip(3)
    return chain


@pytest.fixture
def scanner(hub: Hub, chain: FakeChain) -> Scanner:
    scanner = Scanner(hub, chain.fleet(hub.clock), holder="test")
    scanner.scan_once()
    return scanner


def shop_with_xpub(hub: Hub) -> Shop:
    shop = make_shop(hub, with_address=False)
    with hub.database.transaction() as session:
        receiving.add_xpub(session, hub, merchant_id=shop.merchant_id, xpub=ACCOUNT)
    return shop


def pay(hub: Hub, chain: FakeChain, scanner: Scanner, to: str, *amounts: int) -> None:
    for units in amounts:
        chain.mine(chain.transfer(to, units))
        scanner.scan_once()


def story(hub: Hub, payment: Payment) -> tuple[str, str, list[str]]:
    with hub.database.snapshot() as session:
        row = session.get_one(Payment, payment.id)
        buckets = session.scalars(select(Transfer.bucket).order_by(Transfer.id)).all()
        return row.status, row.anomaly, list(buckets)


def balances(hub: Hub, shop: Shop) -> tuple[int, int]:
    """Give what the project is owed, and what waits for a human; units."""
    with hub.database.snapshot() as session:
        assert journal.imbalance(session) == 0
        return (
            -journal.account_sum(session, journal.project_account(shop.project_id)),
            -journal.account_sum(session, journal.unassigned_account(shop.merchant_id)),
        )


@pytest.mark.parametrize(("typed", "is_right"), [(OWN[-6:], True), (OWN, True), (OWN[-5:], False), ("ABCDEF", False)])
def test_an_address_is_read_back_from_the_wallet(hub: Hub, typed: str, is_right: bool):
    shop = make_shop(hub, with_address=False)

    with hub.database.transaction() as session:
        if is_right:
            receiving.add_address(session, hub, merchant_id=shop.merchant_id, address=OWN, read_back=typed)
        else:
            with pytest.raises(ReadBackDiffers):
                receiving.add_address(session, hub, merchant_id=shop.merchant_id, address=OWN, read_back=typed)


def test_an_address_is_not_retired_while_an_amount_is_held_on_it(hub: Hub):
    shop = make_shop(hub)
    make_payment(hub, shop)

    with pytest.raises(AddressInUse), hub.database.transaction() as session:
        receiving.retire_address(session, hub, address=shop.address.base58)


def test_a_retired_address_is_offered_to_nobody_and_still_watched(hub: Hub, chain: FakeChain, scanner: Scanner):
    shop = make_shop(hub)
    with hub.database.transaction() as session:
        receiving.retire_address(session, hub, address=shop.address.base58)
        receiving.add_address(session, hub, merchant_id=shop.merchant_id, address=OWN)

    payment = make_payment(hub, shop)
    pay(hub, chain, scanner, shop.address.base58, 5)

    assert (payment.address, story(hub, payment)[2]) == (OWN, ["unknown"])


def test_the_first_payment_asks_whether_it_arrived(hub: Hub, chain: FakeChain, scanner: Scanner):
    shop = make_shop(hub)
    with pytest.raises(InvalidField), hub.database.transaction() as session:
        receiving.confirm_address(session, hub, address=shop.address.base58)
    pay(hub, chain, scanner, shop.address.base58, 5, 6)
    with hub.database.snapshot() as session:
        asked = [(alarm.kind, alarm.subject, alarm.times) for alarm in standing_alarms(session)]

    with hub.database.transaction() as session:
        receiving.confirm_address(session, hub, address=shop.address.base58)

    with hub.database.snapshot() as session:
        assert (asked, standing_alarms(session)) == ([("first_payment", shop.address.base58, 1)], [])


def test_each_payment_of_an_xpub_has_an_address_of_its_own(hub: Hub):
    shop = shop_with_xpub(hub)

    payments = [make_payment(hub, shop, order_id=f"O{number}") for number in range(3)]

    assert [payment.address for payment in payments] == ADDRESSES
    assert {payment.pay_units.units for payment in payments} == {50_000_000}  # no tag: the address says whose it is


def test_an_address_somebody_registered_by_hand_is_skipped(hub: Hub):
    shop = shop_with_xpub(hub)
    with hub.database.transaction() as session:
        receiving.add_address(session, hub, merchant_id=shop.merchant_id, address=ADDRESSES[0])

    assert make_payment(hub, shop).address == ADDRESSES[1]


def test_a_refused_payment_gives_its_index_back(hub: Hub):
    shop = shop_with_xpub(hub)
    with pytest.raises(RuntimeError), hub.database.transaction() as session:
        project = service.get_project(session, shop.project_id)
        credential = service.credential_of(session, project, Mode.LIVE)
        order = Order(order_id="A", amount=parse_amount("1"))
        open_payment(session, hub, project=project, credential=credential, order=order)
        raise RuntimeError

    assert make_payment(hub, shop).address == ADDRESSES[0]


def test_an_xpub_is_sealed_and_belongs_to_one_merchant(hub: Hub):
    shop = shop_with_xpub(hub)
    with pytest.raises(AddressTaken), hub.database.transaction() as session:
        receiving.add_xpub(session, hub, merchant_id=shop.merchant_id, xpub=ACCOUNT)

    with hub.database.snapshot() as session:
        row = receiving.active_xpub(session, shop.merchant_id)
        assert row is not None and ACCOUNT.encode() not in row.xpub


def test_t25_two_partial_payments_sum(hub: Hub, chain: FakeChain, scanner: Scanner):
    shop = shop_with_xpub(hub)
    payment = make_payment(hub, shop)
    pay(hub, chain, scanner, payment.address, 20_000_000)
    short = story(hub, payment), balances(hub, shop)

    pay(hub, chain, scanner, payment.address, 30_000_000)

    assert short == (("pending", "underpaid", ["underpaid"]), (0, 20_000_000))
    assert story(hub, payment) == ("paid", "none", ["matched", "matched"])
    assert balances(hub, shop) == (50_000_000, 0)


def test_t25_what_exceeds_the_price_waits_for_a_human(hub: Hub, chain: FakeChain, scanner: Scanner):
    shop = shop_with_xpub(hub)
    payment = make_payment(hub, shop)

    pay(hub, chain, scanner, payment.address, 20_000_000, 31_000_000, 4)

    assert story(hub, payment) == ("paid", "duplicate", ["matched", "overpaid", "duplicate"])
    assert balances(hub, shop) == (50_000_000, 1_000_004)


def test_money_for_a_derived_address_months_later_is_still_that_payments(
    hub: Hub, chain: FakeChain, scanner: Scanner
):
    shop = shop_with_xpub(hub)
    payment = make_payment(hub, shop)
    chain.skip_to(START.replace(year=START.year + 1))
    scanner.scan_once()

    pay(hub, chain, scanner, payment.address, 50_000_000)

    assert story(hub, payment) == ("expired", "late", ["late"])


def test_a_held_address_can_be_opened_by_this_hub_alone(hub: Hub):
    shop = make_shop(hub, with_address=False)
    with hub.database.transaction() as session:
        row = receiving.hold_address(session, hub, merchant_id=shop.merchant_id)

    with hub.database.snapshot() as session:
        stored = session.get_one(Address, row.id)
        assert stored.sealed_key is not None
        key = hub.vault.open(stored.sealed_key, place=receiving.held_key_place(stored.base58))
        address = TronKey(bytes.fromhex(key)).public_key.to_base58check_address()
    assert (stored.kind, address, len(PrivateKey.from_hex(key).secret)) == ("held", stored.base58, 32)
    assert make_payment(hub, shop).address == stored.base58

"""20,000 blocks, 10,000 watched addresses, and a node that fails at every twentieth call."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.chain.addresses import address_of
from core.chain.coverage import coverage
from core.chain.fleet import Fleet
from core.chain.scanner import Scanner
from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Address, Cursor, Transfer
from core.testing.chains import FakeChain
from core.testing.factories import make_shop
from core.testing.faulty import FaultyNode
from core.testing.hubs import START, TEST_CONTRACT
from tests.crowd import add_addresses

BLOCKS, ADDRESSES, PERCENT = 20_000, 10_000, 5


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_transfer_is_found_exactly_once_without_a_gap(hub: Hub):
    shop = make_shop(hub)
    chain = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    chain.skip(2)
    node = FaultyNode(chain, percent=PERCENT, seed=20)
    scanner = Scanner(hub, Fleet([node], clock=hub.clock))
    _until_done(scanner, hub, chain)
    add_addresses(hub, merchant_id=shop.merchant_id, already=0, up_to=ADDRESSES)
    with hub.database.snapshot() as session:
        ours = [address_of(raw20).base58 for raw20 in session.scalars(select(Address.raw20).order_by(Address.id))]
    stranger = address_of(b"\x77" * 20).base58
    wanted: dict[str, int] = {}
    for number in range(BLOCKS):
        infos = [chain.transfer(stranger, 1)] * (number % 3 > 0)
        if number % 25 == 0:
            infos.append(chain.transfer(ours[number * 7919 % len(ours)], 1 + number))
            wanted[infos[-1].id] = 1 + number
        chain.mine(*infos)

    _until_done(scanner, hub, chain)

    with hub.database.snapshot() as session:
        found = {row.txid: row.units.units for row in session.execute(select(Transfer.txid, Transfer.units))}
        count, cover = session.scalar(select(func.count(Transfer.id))), coverage(session, hub)
    assert (found, count) == (wanted, len(wanted))
    assert cover is not None and (cover.first, cover.last, cover.gaps) == (1, chain.solid, [])
    assert node.faults > BLOCKS * PERCENT / 100 * 0.8


def _until_done(scanner: Scanner, hub: Hub, chain: FakeChain) -> None:
    """Scan on; the cursor may never pass a block that the chain does not hold."""
    for _ in range(BLOCKS):
        try:
            scanner.scan_once()
        except NodeUnavailable:
            pass
        with hub.database.snapshot() as session:
            height = session.scalars(select(Cursor.height)).one_or_none() or 0
        assert height <= chain.solid
        if height == chain.solid:
            return
    raise AssertionError(f"the cursor stands at {height} of {chain.solid}")

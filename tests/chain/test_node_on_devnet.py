"""The node client and the decoder against the devnet: the same values come out that went in."""

from datetime import UTC, datetime

import pytest

from core.chain.addresses import parse_address
from core.chain.decode import TokenKind, check_block_infos, kind_of, transfers_in
from core.chain.node import Heights, HttpNode
from core.clock import ManualClock, to_millis
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.devnet.teller import FailureKind

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
BUYER = parse_address("TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH")


@pytest.fixture
def chain():
    chain = Chain.open(None, clock=ManualClock(START))
    chain.advance(1)
    yield chain
    chain.close()


@pytest.fixture
def node(chain):
    server = DevnetServer(chain).start()
    node = HttpNode(server.url, clock=ManualClock(START), qps=None)
    yield node
    node.close()
    server.stop()


def mined(chain, node):
    """Mine what is pending, solidify it, and return that block's height and transfers."""
    height = chain.advance(1).height
    chain.advance(18)
    infos = node.solid_infos(height)
    check_block_infos(infos, height, node.solid_header(height - 1).time_ms)
    return height, transfers_in(infos)


def test_identity_and_heights(chain, node):
    chain.advance(30)

    assert node.genesis_id() == chain.genesis_id
    assert node.heights() == Heights(solid=13, head=31)
    assert (node.solid_height(), node.head_height()) == (13, 31)


def test_t1_a_payment_is_read_exactly(chain, node):
    txid = chain.pay(BUYER.base58, 50_013_400)
    height, [log] = mined(chain, node)

    assert (log.txid, log.log_index, log.to20, log.units) == (txid, 0, BUYER.raw20, 50_013_400)
    assert log.sender20 == parse_address(chain.wallet_address).raw20
    assert log.succeeded
    assert kind_of(log, parse_address(chain.usdt_address).raw20) is TokenKind.USDT
    assert not node.solid_header(height).proves_empty


def test_t6_a_look_alike_is_told_by_its_contract(chain, node):
    chain.fake_transfer(BUYER.base58, 7_000_000)
    _, [log] = mined(chain, node)

    assert log.succeeded
    assert kind_of(log, parse_address(chain.usdt_address).raw20) is TokenKind.FAKE


def test_t17_a_failed_transaction_shows_its_log_as_failed(chain, node):
    chain.failed_transfer(BUYER.base58, 7_000_000, FailureKind.OUT_OF_TIME)
    _, logs = mined(chain, node)

    assert [(log.to20, log.units, log.succeeded) for log in logs] == [(BUYER.raw20, 7_000_000, False)]


def test_t16_a_reverted_transaction_shows_nothing(chain, node):
    chain.failed_transfer(BUYER.base58, 7_000_000, FailureKind.REVERT)
    height, logs = mined(chain, node)

    assert logs == []
    assert [info.has_succeeded for info in node.solid_infos(height)] == [False]


def test_an_empty_block_is_proved_by_its_header_and_headers_form_a_chain(chain, node):
    head = chain.advance(20)
    parent, header = node.head_header(head.height - 1), node.head_header(head.height)

    assert node.head_infos(head.height) == []
    assert header.proves_empty
    assert header.parent_hash == parent.block_id
    assert header.time_ms > parent.time_ms >= to_millis(START)


def test_t28_t29_a_block_that_is_not_solid_yet_is_unknown_to_the_solid_view_alone(chain, node):
    chain.pay(BUYER.base58, 1)
    height = chain.advance(1).height

    assert node.solid_infos(height) == []
    assert node.solid_header(height) is None
    assert len(transfers_in(node.head_infos(height))) == 1
    assert node.head_header(height + 1) is None


def test_the_contract_is_found_and_a_plain_account_is_none(chain, node):
    assert node.contract_exists(parse_address(chain.usdt_address))
    assert not node.contract_exists(BUYER)


def test_one_transaction_is_read_by_its_id_first_in_the_head_then_as_final(chain, node):
    txid = chain.pay(BUYER.base58, 7)
    assert (node.solid_info(txid), node.head_info(txid)) == (None, None)
    height = chain.advance(1).height
    assert (node.solid_info(txid), node.head_info(txid).block_number) == (None, height)
    chain.advance(18)

    info = node.solid_info(txid)

    assert (info.id, info.block_number, info.has_succeeded) == (txid, height, True)
    assert [(log.to20, log.units) for log in transfers_in([info])] == [(BUYER.raw20, 7)]

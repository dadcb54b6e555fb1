"""A node that fails on purpose, as our own client meets it; and the log index beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

from core.chain.addresses import parse_address
from core.chain.failures import FailureKind, NodeFailure
from core.chain.node import HttpNode
from core.clock import ManualClock, SystemClock
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from tests.devnet.conftest import BUYER

INFOS = "walletsolidity/gettransactioninfobyblocknum"


@pytest.fixture
def server(chain: Chain) -> Iterator[DevnetServer]:
    server = DevnetServer(chain, views={"b": 5}).start()
    yield server
    server.stop()


@pytest.fixture
def node(server: DevnetServer) -> Iterator[HttpNode]:
    node = HttpNode(server.url, clock=SystemClock(), qps=None, attempts=1, timeout=(1.0, 0.3))
    yield node
    node.close()


def post(server: DevnetServer, path: str, body: object) -> dict:
    request = Request(f"{server.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=5) as answer:
        return json.load(answer)


@pytest.mark.parametrize(("kind", "failure"), [
    ("busy", FailureKind.RATE_LIMITED), ("error", FailureKind.NODE_ERROR), ("rate_limited", FailureKind.RATE_LIMITED),
    ("frequency", FailureKind.KEY_SUSPENDED), ("daily", FailureKind.DAILY_QUOTA),
    ("bad_gateway", FailureKind.BAD_GATEWAY), ("unavailable", FailureKind.BAD_GATEWAY), ("lite", FailureKind.LITE_NODE),
    ("not_found", FailureKind.DISABLED), ("truncated", FailureKind.TRUNCATED), ("cut", FailureKind.TRUNCATED),
    ("hang", FailureKind.TIMEOUT), ("stuck", FailureKind.TIMEOUT),
])
def test_t31_each_fault_is_met_as_what_it_is(chain: Chain, server: DevnetServer, node: HttpNode, kind: str, failure):
    chain.pay(BUYER, 5)
    chain.advance(20)
    height = next(height for height in range(1, 5) if chain.block(height)[1])
    server.faults.set([{"path": INFOS, "kind": kind, "times": 1, "seconds": 30.0}])

    with pytest.raises(NodeFailure) as failed:
        node.solid_infos(height)

    assert failed.value.kind is failure


def test_t28_an_empty_answer_for_a_full_block(chain: Chain, server: DevnetServer, node: HttpNode):
    chain.pay(BUYER, 5)
    chain.advance(20)
    height = next(height for height in range(1, 5) if chain.block(height)[1])
    server.faults.set([{"path": INFOS, "kind": "empty", "times": 1}])

    assert (node.solid_infos(height), len(node.solid_infos(height))) == ([], 1)


def test_the_same_seed_fails_in_the_same_calls(server: DevnetServer):
    drawn = []
    for _ in range(2):
        server.faults.set([{"path": "wallet/*", "kind": "empty", "probability": 0.3}], seed=7)
        drawn.append([server.faults.choose(path="wallet/getblock", view="") is not None for _ in range(200)])

    assert drawn[0] == drawn[1]
    assert 30 < sum(drawn[0]) < 90


def test_faults_are_set_and_counted_over_http(server: DevnetServer, node: HttpNode):
    post(server, "/devnet/faults", {"rules": [{"path": "wallet/*", "kind": "error", "times": 1}], "seed": 1})
    with pytest.raises(NodeFailure):
        node.head_height()
    node.head_height()
    with urlopen(f"{server.url}/devnet/faults", timeout=5) as answer:
        rules = json.load(answer)["rules"]
    with urlopen(f"{server.url}/devnet/requests", timeout=5) as answer:
        asked = json.load(answer)

    assert (rules[0]["fired"], asked["wallet/getblock"]) == (1, 2)


@pytest.mark.parametrize("rule", [
    {"path": "x", "kind": "nonsense"}, {"path": "x", "kind": "empty", "probability": 2}, {"kind": "empty"}, "x",
    {"path": "x", "kind": "empty", "surprise": 1}, {"path": "x", "kind": "refused", "code": "NO"},
    {"path": "x", "kind": "lag", "blocks": -1}, {"path": "x", "kind": "frequency", "lasts": 601},
])
def test_a_rule_that_makes_no_sense_is_refused(server: DevnetServer, rule: object):
    with pytest.raises(Exception, match="400"):
        post(server, "/devnet/faults", {"rules": [rule]})


def test_a_second_view_lags_and_fails_by_itself(chain: Chain, server: DevnetServer, node: HttpNode):
    chain.advance(30)
    late = HttpNode(f"{server.url}/b", clock=SystemClock(), qps=None, attempts=1)
    server.faults.set([{"path": "wallet/*", "kind": "error", "view": "b"}])

    assert (node.solid_height() - late.solid_height(), node.head_height()) == (5, 31)
    with pytest.raises(NodeFailure):
        late.head_height()
    late.close()


def test_the_log_index_lists_what_moved_failed_or_not(chain: Chain, node: HttpNode):
    usdt = parse_address(chain.usdt_address)
    buyer = parse_address(BUYER).raw20
    chain.pay(BUYER, 5)
    chain.failed_transfer(BUYER, 7, "out_of_time")
    chain.fake_transfer(BUYER, 9)
    chain.advance(3)

    logs = node.transfer_logs(usdt, to=[buyer], since=1, until=chain.head_height)

    assert sorted(log.units for log in logs) == [5, 7]
    assert {log.to20 for log in logs} == {buyer}
    assert node.transfer_logs(usdt, to=[b"\x01" * 20], since=1, until=chain.head_height) == []


def test_a_range_that_is_too_long_is_cut_by_the_client(chain: Chain, node: HttpNode):
    chain.advance(11_000)

    assert node.transfer_logs(parse_address(chain.usdt_address), to=None, since=0, until=chain.head_height) == []


def test_a_constant_call_reads_the_solid_state(chain: Chain, node: HttpNode):
    from core.chain.token import balance_of, is_blacklisted, is_deprecated

    usdt, buyer = parse_address(chain.usdt_address), parse_address(BUYER)
    chain.pay(BUYER, 5_000_000)
    chain.advance(1)
    unsolid = balance_of(node, usdt, buyer).units
    chain.owner_call("addBlackList(address)", bytes(12) + buyer.raw20)
    chain.advance(20)

    assert (unsolid, balance_of(node, usdt, buyer).units) == (0, 5_000_000)
    assert (is_blacklisted(node, usdt, buyer), is_deprecated(node, usdt)) == (True, False)


def test_a_call_that_reverts_is_no_answer(chain: Chain, node: HttpNode):
    with pytest.raises(NodeFailure) as failed:
        node.call_contract(parse_address(chain.usdt_address), "noSuchFunction()")

    assert failed.value.kind is FailureKind.CALL_FAILED


def test_a_node_without_json_rpc_says_so(server: DevnetServer, node: HttpNode, chain: Chain):
    server.faults.set([{"path": "jsonrpc", "kind": "not_found"}])

    with pytest.raises(NodeFailure) as failed:
        node.transfer_logs(parse_address(chain.usdt_address), to=None, since=0, until=1)

    assert failed.value.kind is FailureKind.DISABLED


def test_a_suspension_goes_on_until_its_time_is_over(chain: Chain, server: DevnetServer, clock: ManualClock):
    server.faults.set([{"path": "wallet/*", "kind": "frequency", "times": 1, "lasts": 30}])

    struck = []
    for wait_s in (0, 0, 29, 1, 0):
        clock.advance(seconds=wait_s)
        struck.append(server.faults.choose(path="wallet/getblock", view="") is not None)

    assert struck == [True, True, True, False, False]

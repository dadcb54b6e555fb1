"""The router and the deprecated token: money that moves in other ways than by a plain transfer."""

from __future__ import annotations

import pytest

from core.chain.addresses import parse_address
from core.chain.failures import FailureKind, NodeFailure
from core.chain.node import HttpNode
from core.clock import SystemClock
from core.devnet import keys
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from tests.devnet.conftest import BUYER

TO = bytes(12) + parse_address(BUYER).raw20
TRANSFER = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def number(value: int) -> bytes:
    return value.to_bytes(32)


def mined(chain: Chain, ask, txid: str) -> dict:
    chain.advance(1)
    return ask("wallet/gettransactioninfobyid", value=txid)


def test_t3_t5_two_identical_transfers_under_another_top_level_call(chain: Chain, ask):
    info = mined(chain, ask, chain.route("route(address,uint256,uint256)", TO, number(7), number(2)))

    usdt = keys.from_base58(chain.usdt_address)[1:].hex()
    assert info["contract_address"] == keys.from_base58(chain.router_address).hex()
    logs = [(log["address"], log["topics"][0], int(log["data"], 16)) for log in info["log"]]
    assert logs == [(usdt, TRANSFER, 7)] * 2
    assert (info["receipt"]["result"], chain.balance_of(BUYER)) == ("SUCCESS", 14)


def test_t43_two_hundred_logs_in_one_transaction(chain: Chain, ask):
    info = mined(chain, ask, chain.route("spread(uint256,uint256,uint256)", number(9_000), number(200), number(1)))

    assert (info["receipt"]["result"], len(info["log"])) == ("SUCCESS", 200)


def test_t20_a_refused_inner_call_is_swallowed_and_leaves_no_log(chain: Chain, ask):
    info = mined(chain, ask, chain.route("tryRoute(address,uint256)", TO, number(10**18)))

    assert (info["receipt"]["result"], info.get("log"), chain.balance_of(BUYER)) == ("SUCCESS", None, 0)


def test_t12_logs_of_other_shapes(chain: Chain, ask):
    info = mined(chain, ask, chain.route("noise(address)", TO))

    assert [len(log.get("topics", [])) for log in info["log"]] == [4, 0]


def test_a_deprecated_contract_has_its_transfers_logged_elsewhere(chain: Chain, ask):
    successor = keys.PREFIX + b"\x55" * 20
    announced = mined(chain, ask, chain.owner_call("deprecate(address)", bytes(12) + successor[1:]))
    info = mined(chain, ask, chain.pay(BUYER, 5))

    assert len(announced["log"]) == 1
    assert [log["address"] for log in info["log"]] == [successor[1:].hex()]
    said = ask(
        "wallet/triggerconstantcontract", owner_address=chain.wallet_address, visible=True,
        contract_address=chain.usdt_address, function_selector="deprecated()",
    )
    assert said["constant_result"] == ["0" * 63 + "1"]


def test_a_bare_full_node_has_no_solid_root(chain: Chain):
    full, both = DevnetServer(chain, has_solid_root=False).start(), DevnetServer(chain).start()
    apart = HttpNode(full.url, both.url, clock=SystemClock(), qps=None, attempts=1)
    alone = HttpNode(full.url, clock=SystemClock(), qps=None, attempts=1)
    try:
        with pytest.raises(NodeFailure) as failed:
            alone.solid_height()
        assert (apart.solid_height(), failed.value.kind) == (0, FailureKind.DISABLED)
    finally:
        for part in (apart, alone):
            part.close()
        full.stop()
        both.stop()

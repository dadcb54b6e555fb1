"""The node's JSON-RPC: receipts with a status, calls on the newest state, and errors as answers."""

from __future__ import annotations

from typing import Any

import pytest

from core.devnet import abi, jsonrpc, keys
from core.devnet.ledger import Chain
from core.devnet.lies import Outlook
from tests.devnet.conftest import BUYER


def rpc(chain: Chain, method: str, *params: Any, lag: int = 0) -> Any:
    call = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    return jsonrpc.answer(chain, call, outlook=Outlook(lag=lag))


def result(chain: Chain, method: str, *params: Any) -> Any:
    return rpc(chain, method, *params)["result"]


def raw20(address: str) -> str:
    return "0x" + keys.from_base58(address)[1:].hex()


def test_a_receipt_tells_status_cost_and_logs_with_their_place_in_the_block(chain: Chain) -> None:
    first, txid = chain.pay(BUYER, 5), chain.pay(BUYER, 6)
    block = chain.advance(1)

    receipt = result(chain, "eth_getTransactionReceipt", "0x" + txid)

    assert (receipt["status"], receipt["type"], receipt["effectiveGasPrice"]) == ("0x1", "0x0", hex(100))
    assert (receipt["gasUsed"], receipt["cumulativeGasUsed"]) == (hex(64_285), hex(130_285 + 64_285))
    assert (receipt["from"], receipt["to"]) == (raw20(chain.wallet_address), raw20(chain.usdt_address))
    assert (receipt["blockHash"], receipt["transactionIndex"]) == ("0x" + block.block_id.hex(), "0x1")
    (log,) = receipt["logs"]
    assert (log["logIndex"], log["transactionHash"], int(log["data"], 16)) == ("0x1", "0x" + txid, 6)
    assert first != txid


def test_a_failed_transaction_has_status_zero_and_may_have_logs_t17(chain: Chain) -> None:
    txid = chain.failed_transfer(BUYER, 5, "out_of_time")
    chain.advance(1)

    receipt = result(chain, "eth_getTransactionReceipt", txid)

    assert (receipt["status"], len(receipt["logs"])) == ("0x0", 1)


def test_receipts_of_a_block_are_those_of_its_transactions(chain: Chain) -> None:
    sent = [chain.pay(BUYER, 5), chain.faucet_trx(BUYER, 5), chain.failed_transfer(BUYER, 5, "revert")]
    height = chain.advance(1).height

    receipts = result(chain, "eth_getBlockReceipts", hex(height))

    assert receipts == [result(chain, "eth_getTransactionReceipt", txid) for txid in sent]
    assert [receipt["status"] for receipt in receipts] == ["0x1", "0x1", "0x0"]


def test_what_is_out_of_sight_is_null(chain: Chain) -> None:
    txid = chain.pay(BUYER, 5)
    height = chain.advance(1).height

    assert rpc(chain, "eth_getTransactionReceipt", txid, lag=1)["result"] is None
    assert result(chain, "eth_getTransactionReceipt", "0x" + "00" * 32) is None
    assert result(chain, "eth_getBlockReceipts", hex(height + 1)) is None


def test_a_call_reads_the_newest_state(chain: Chain) -> None:
    chain.pay(BUYER, 5)
    chain.advance(1)
    data = "0x70a08231" + abi.word(keys.from_base58(BUYER)).hex()

    balance = result(chain, "eth_call", {"to": raw20(chain.usdt_address), "data": data}, "latest")

    assert int(balance, 16) == 5
    assert result(chain, "eth_call", {"to": raw20(BUYER), "data": data}) == "0x"


@pytest.mark.parametrize(("method", "params", "code"), [
    ("eth_call", [{"to": "usdt", "data": "0x"}], -32602), ("eth_call", ["x"], -32602),
    ("eth_call", [{"to": "0x" + "00" * 20}, "0x1"], -32602), ("eth_getLogs", [], -32602),
    ("eth_getTransactionReceipt", ["zz"], -32602), ("eth_getBlockReceipts", ["zz"], -32602),
    ("eth_mine", [], -32601),
])
def test_nonsense_is_an_error_with_a_code(chain: Chain, method: str, params: list[Any], code: int) -> None:
    answer = rpc(chain, method, *params)

    assert (answer["id"], answer["error"]["code"]) == (7, code)


def test_a_reverted_call_is_an_error(chain: Chain) -> None:
    answer = rpc(chain, "eth_call", {"to": raw20(chain.usdt_address), "data": "0x12345678"})

    assert answer["error"] == {"code": -32000, "message": "REVERT opcode executed"}

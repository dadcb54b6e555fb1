"""A node that shows a final block otherwise than it is, and stays consistent in itself."""

from __future__ import annotations

from typing import Any

import pytest

from core.devnet import keys
from core.devnet.ledger import Chain
from tests.devnet.conftest import BUYER
from tests.devnet.test_server import Client, client, server

__all__ = ["client", "server"]


@pytest.fixture
def solid(chain: Chain) -> tuple[str, int]:
    """Give a payment in a final block: its txid and height."""
    txid = chain.pay(BUYER, 5_000_000)
    height = chain.advance(1).height
    chain.advance(25)
    return txid, height


def infos(client: Client, height: int, view: str = "") -> Any:
    return client.post(f"{view}/walletsolidity/gettransactioninfobyblocknum", num=height)[1]


def block(client: Client, height: int, view: str = "") -> Any:
    return client.post(f"{view}/walletsolidity/getblockbynum", num=height)[1]


def test_a_vanished_transaction_is_shown_by_no_call(client: Client, solid: tuple[str, int]) -> None:
    txid, height = solid

    status, answer = client.post("/devnet/vanish", txid=txid)

    assert (status, answer["height"], infos(client, height)) == (200, height, [])
    assert client.post("/walletsolidity/gettransactioninfobyid", value=txid)[1] == {}
    assert client.post("/wallet/gettransactionbyid", value=txid)[1] == {}
    assert client.post("/wallet/gettransactioncountbyblocknum", num=height)[1] == {"count": 0}
    assert "transactions" not in block(client, height)
    assert block(client, height)["block_header"]["raw_data"]["txTrieRoot"] == "0" * 64


def test_the_lying_block_has_another_id_and_its_child_names_it(client: Client, solid: tuple[str, int]) -> None:
    txid, height = solid
    honest = block(client, height)

    client.post("/devnet/vanish", txid=txid)
    lying, child = block(client, height), block(client, height + 1)

    assert lying["blockID"] != honest["blockID"]
    assert child["block_header"]["raw_data"]["parentHash"] == lying["blockID"]
    assert client.post("/wallet/getblockbyid", value=lying["blockID"])[1] == lying
    assert client.post("/wallet/getblockbyid", value=honest["blockID"])[1] == {}


def test_a_forged_transfer_looks_real_and_moves_nothing(client: Client, chain: Chain, solid: tuple[str, int]) -> None:
    answer = client.post("/devnet/forge", to=BUYER, units=7)[1]
    before = infos(client, answer["height"])
    chain.advance(1)

    (info,) = infos(client, answer["height"])

    assert (before, answer["height"]) == ([], chain.solid_height)
    assert (info["id"], info["receipt"]["result"], int(info["log"][0]["data"], 16)) == (answer["txid"], "SUCCESS", 7)
    assert info["blockTimeStamp"] == block(client, answer["height"])["block_header"]["raw_data"]["timestamp"]
    assert block(client, answer["height"])["transactions"][0]["txID"] == answer["txid"]
    logs = client.post("/jsonrpc", id=1, method="eth_getLogs", params=[
        {"fromBlock": hex(answer["height"]), "toBlock": hex(answer["height"])}
    ])[1]["result"]
    assert [log["transactionHash"] for log in logs] == ["0x" + answer["txid"]]
    assert chain.balance_of(BUYER) == 5_000_000


def test_one_view_lies_and_the_other_does_not(client: Client, solid: tuple[str, int]) -> None:
    txid, height = solid
    client.post("/devnet/views", name="liar")

    client.post("/devnet/vanish", txid=txid, view="liar")

    assert (infos(client, height, "/liar"), infos(client, height)[0]["id"]) == ([], txid)


def test_honesty_comes_back(client: Client, solid: tuple[str, int]) -> None:
    txid, height = solid
    honest = block(client, height)
    forged = client.post("/devnet/forge", to=BUYER, units=7, height=height)[1]
    client.post("/devnet/vanish", txid=txid)
    lied = [info["id"] for info in infos(client, height)]

    client.post("/devnet/vanish", txid=forged["txid"])
    gone = infos(client, height)
    client.post("/devnet/honest")

    assert (lied, gone, block(client, height)) == ([forged["txid"]], [], honest)


def test_a_view_made_over_http_lags(client: Client, chain: Chain) -> None:
    chain.advance(30)

    made = client.post("/devnet/views", name="late", lag=5)[1]
    info = client.post("/late/wallet/getnodeinfo")[1]

    assert made["views"] == {"late": 5}
    late = client.post("/late/wallet/getnowblock")[1]["block_header"]["raw_data"]["number"]
    assert late == chain.head_height - 5
    assert info["block"].startswith(f"Num:{late},ID:")
    assert info["solidityBlock"].startswith(f"Num:{chain.solid_height - 5},ID:")


def test_a_view_may_be_a_bare_full_node(client: Client) -> None:
    client.post("/devnet/views", name="bare", has_solid_root=False)

    assert client.post("/bare/walletsolidity/getnowblock") == (404, {"Error": "this API is unavailable due to config"})
    assert client.post("/bare/wallet/getnowblock")[0] == client.post("/walletsolidity/getnowblock")[0] == 200


@pytest.mark.parametrize(("call", "body", "code"), [
    ("vanish", {"txid": "00" * 32}, "unknown_transaction"), ("vanish", {"txid": "00"}, "invalid_field"),
    ("forge", {"to": BUYER, "units": 10**13}, "insufficient_balance"), ("forge", {"to": BUYER}, "invalid_field"),
    ("forge", {"to": BUYER, "units": 1, "height": 0}, "invalid_field"),
    ("forge", {"to": BUYER, "units": 1, "view": "nobody"}, "invalid_field"),
    ("forge", {"to": BUYER, "units": 1, "ending": "well"}, "invalid_field"),
    ("honest", {"view": ["x"]}, "invalid_field"), ("views", {"name": "wallet"}, "invalid_field"),
    ("views", {"name": "a/b"}, "invalid_field"), ("views", {"name": "x", "lag": -1}, "invalid_field"),
    ("views", {"name": "x", "has_solid_root": 0}, "invalid_field"),
    ("trx-cache", {"enabled": "yes"}, "invalid_field"),
])
def test_bad_lies_are_refused(client: Client, call: str, body: dict[str, Any], code: str) -> None:
    status, answer = client.post("/devnet/" + call, **body)

    assert (status, answer["code"]) == (400, code)


@pytest.mark.parametrize(("ending", "word"), [("silent", None), ("jvm_stack_over_flow", "JVM_STACK_OVER_FLOW")])
def test_a_forged_failure_keeps_its_log(
    client: Client, chain: Chain, solid: tuple[str, int], ending: str, word: str | None
) -> None:
    answer = client.post("/devnet/forge", to=BUYER, units=7, ending=ending)[1]
    chain.advance(1)

    (info,) = infos(client, answer["height"])

    assert (info["result"], info["receipt"].get("result"), len(info["log"])) == ("FAILED", word, 1)


def test_the_wallets_own_state_is_not_touched_by_a_forgery(client: Client, chain: Chain) -> None:
    before = chain.balance_of(chain.wallet_address), chain.pending_count

    client.post("/devnet/forge", to=keys.to_base58(chain.faucet_address), units=7)

    assert (chain.balance_of(chain.wallet_address), chain.pending_count) == before

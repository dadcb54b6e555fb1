"""What transactions cost and how they fail."""

from __future__ import annotations

from typing import Any

import pytest

from core.devnet import keys
from core.devnet.ledger import Chain
from core.devnet.state import trx
from core.devnet.wire import Terms, build_trigger, read
from tests.devnet.conftest import BUYER, Ask

TRANSFER_TOPIC = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def sun_of(chain: Chain, address: str) -> int:
    """Read a TRX balance at head."""
    return chain.view(solid=False).state.get(trx(keys.from_base58(address)))


def info_of(chain: Chain, ask: Ask, txid: str) -> Any:
    """Mine and read one transaction's info."""
    chain.advance(1)
    return ask("wallet/gettransactioninfobyid", value=txid)


def test_cold_and_warm_recipients_cost_what_mainnet_takes_d5(chain: Chain, ask: Ask) -> None:
    cold = info_of(chain, ask, chain.pay(BUYER, 5))
    warm = info_of(chain, ask, chain.pay(BUYER, 5))

    assert cold["receipt"] == {
        "energy_fee": 13_028_500, "energy_usage_total": 130_285, "net_usage": 345, "result": "SUCCESS",
        "energy_penalty_total": 130_285 - 29_650,
    }  # fmt: skip
    assert warm["receipt"] == {
        "energy_fee": 6_428_500, "energy_usage_total": 64_285, "net_fee": 345_000, "result": "SUCCESS",
        "energy_penalty_total": 64_285 - 14_650,
    }  # fmt: skip
    assert warm["fee"] == 6_428_500 + 345_000


def test_fee_is_taken_from_the_owner(chain: Chain, ask: Ask) -> None:
    before = sun_of(chain, chain.wallet_address)

    info = info_of(chain, ask, chain.pay(BUYER, 5))

    assert sun_of(chain, chain.wallet_address) == before - info["fee"]


def test_success_returns_false_and_is_a_success_t19(chain: Chain, ask: Ask) -> None:
    info = info_of(chain, ask, chain.pay(BUYER, 5))

    assert info["contractResult"] == ["0" * 64]
    assert "result" not in info


def test_out_of_time_fails_and_keeps_its_log_t17(chain: Chain, ask: Ask) -> None:
    info = info_of(chain, ask, chain.failed_transfer(BUYER, 77, "out_of_time"))

    assert (info["receipt"]["result"], info["result"]) == ("OUT_OF_TIME", "FAILED")
    assert info["contract_address"] == keys.from_base58(chain.burner_address).hex()
    assert info["log"] == [{
        "address": keys.from_base58(chain.usdt_address)[1:].hex(),
        "topics": [
            TRANSFER_TOPIC,
            "00" * 12 + keys.from_base58(chain.wallet_address)[1:].hex(),
            "00" * 12 + keys.from_base58(BUYER)[1:].hex(),
        ],
        "data": f"{77:064x}",
    }]  # fmt: skip
    assert info["fee"] == 5_000_000  # the whole limit burns
    assert chain.balance_of(BUYER) == 0


def test_revert_has_matching_calldata_and_no_log_t16(chain: Chain, ask: Ask) -> None:
    txid = chain.failed_transfer(BUYER, 77, "revert")

    info = info_of(chain, ask, txid)

    value = ask("wallet/gettransactionbyid", value=txid)["raw_data"]["contract"][0]["parameter"]["value"]
    assert value["contract_address"] == keys.from_base58(chain.usdt_address).hex()
    assert value["data"] == "a9059cbb" + "00" * 12 + keys.from_base58(BUYER)[1:].hex() + f"{77:064x}"
    assert (info["receipt"]["result"], info["result"], "log" in info) == ("REVERT", "FAILED", False)
    assert bytes.fromhex(info["resMessage"]) == b"REVERT opcode executed"
    assert ask("wallet/gettransactionbyid", value=txid)["ret"] == [{"contractRet": "REVERT"}]


def test_small_fee_limit_burns_and_fails_d5(chain: Chain, ask: Ask) -> None:
    fee_limit_sun = 10_000_000  # tronpy's default: 100,000 energy, too little for a cold recipient
    data = bytes.fromhex("a9059cbb" + "00" * 12) + keys.from_base58(BUYER)[1:] + (5).to_bytes(32)
    head = chain.head
    terms = Terms(head.block_id, head.timestamp_ms + 60_000, head.timestamp_ms, fee_limit_sun)
    owner = keys.address_of(chain.ring.wallet)
    raw = build_trigger(owner=owner, contract=chain.places.usdt, data=data, terms=terms)
    tx = read(raw)

    signature = keys.sign(private_key=chain.ring.wallet, digest=tx.txid)
    chain.broadcast(read(raw, (signature,)))
    info = info_of(chain, ask, tx.txid.hex())

    assert info["receipt"]["result"] == "OUT_OF_ENERGY"
    assert info["receipt"]["energy_fee"] == fee_limit_sun
    assert "log" not in info
    assert chain.balance_of(BUYER) == 0


def test_fake_token_has_the_same_face_and_another_address_t6(chain: Chain, ask: Ask) -> None:
    info = info_of(chain, ask, chain.fake_transfer(BUYER, 9))

    assert info["receipt"]["result"] == "SUCCESS"
    assert info["log"][0]["topics"][0] == TRANSFER_TOPIC
    assert info["log"][0]["address"] == keys.from_base58(chain.fake_usdt_address)[1:].hex()
    assert chain.balance_of(BUYER) == 0


def test_zero_value_is_logged_t7(chain: Chain, ask: Ask) -> None:
    info = info_of(chain, ask, chain.pay(BUYER, 0))

    assert info["log"][0]["data"] == "0" * 64


def test_trx_transfer_activates_and_has_no_result(chain: Chain, ask: Ask) -> None:
    first = info_of(chain, ask, chain.faucet_trx(BUYER, 5_000_000))
    second = info_of(chain, ask, chain.faucet_trx(BUYER, 5_000_000))

    assert (first["fee"], first["receipt"]) == (1_100_000, {"net_fee": 100_000})
    assert ("fee" in second, list(second["receipt"])) == (False, ["net_usage"])
    assert sun_of(chain, BUYER) == 10_000_000


def test_free_bandwidth_comes_back_over_a_day(chain: Chain, ask: Ask) -> None:
    chain.pay(BUYER, 5)
    chain.advance(1)
    half = ask("wallet/getaccountnet", address=chain.wallet_address)["freeNetUsed"]

    chain.advance(1, step_ms=12 * 3600 * 1000)

    assert half == 345
    assert ask("wallet/getaccountnet", address=chain.wallet_address)["freeNetUsed"] == 172


@pytest.mark.parametrize("units", [2**63, 2**256 - 1])
def test_amounts_beyond_the_balance_revert_t27(chain: Chain, ask: Ask, units: int) -> None:
    assert info_of(chain, ask, chain.pay(BUYER, units))["receipt"]["result"] == "REVERT"

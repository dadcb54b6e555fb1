"""Energy: its price, the dynamic factor, what is staked, and what a fee limit burns (D5)."""

from __future__ import annotations

from typing import Any

import pytest

from core.devnet import abi, keys, wire
from core.devnet.energy import Purse, charged
from core.devnet.ledger import Chain
from core.devnet.wire import Terms
from tests.devnet.conftest import BUYER, Ask
from tests.devnet.test_execution import info_of, sun_of
from tests.devnet.test_node_api import transfer_call
from tests.devnet.test_server import Client, client, server

__all__ = ["client", "server"]
WARM, COLD = 64_285, 130_285
TRANSFER = bytes.fromhex("a9059cbb")


def pay_limited(chain: Chain, fee_limit_sun: int) -> str:
    """Send the buyer 5 units from the demo wallet under a fee limit; return the txid."""
    head = chain.head
    terms = Terms(head.block_id, head.timestamp_ms + 60_000, head.timestamp_ms, fee_limit_sun)
    data = TRANSFER + abi.word(keys.from_base58(BUYER)) + abi.word(5)
    owner = keys.address_of(chain.ring.wallet)
    raw = wire.build_trigger(owner=owner, contract=chain.places.usdt, data=data, terms=terms)
    signature = keys.sign(private_key=chain.ring.wallet, digest=wire.txid_of(raw))
    chain.broadcast(wire.read(raw, (signature,)))
    return wire.txid_of(raw).hex()


def resources(chain: Chain, ask: Ask) -> dict[str, Any]:
    answer: dict[str, Any] = ask("wallet/getaccountresource", address=chain.wallet_address)
    return {name: value for name, value in answer.items() if name.startswith("Energy")}


@pytest.mark.parametrize(("factor", "cold"), [(34_000, COLD), (0, 29_650), (12_000, 65_168), (68_000, 230_920)])
def test_energy_follows_the_dynamic_factor(chain: Chain, ask: Ask, factor: int, cold: int) -> None:
    chain.set_energy_factor(factor)
    chain.advance(1)

    simulated = ask("wallet/triggerconstantcontract", **transfer_call(chain, units=5))
    receipt = info_of(chain, ask, chain.pay(BUYER, 5))["receipt"]

    assert simulated["energy_used"] == receipt["energy_usage_total"] == cold
    assert receipt.get("energy_penalty_total", 0) == simulated.get("energy_penalty", 0) == cold - 29_650
    assert receipt["energy_fee"] == cold * 100


def test_t59_a_factor_that_rises_between_estimate_and_block_burns_the_limit(chain: Chain, ask: Ask) -> None:
    energy = ask("wallet/estimateenergy", **transfer_call(chain, units=5))["energy_required"]
    chain.set_energy_factor(50_000)

    info = info_of(chain, ask, pay_limited(chain, energy * 100))

    assert (info["receipt"]["result"], info["receipt"]["energy_fee"]) == ("OUT_OF_ENERGY", energy * 100)
    assert ask("wallet/getcontractinfo", value=chain.usdt_address)["contract_state"]["energy_factor"] == 50_000


def test_the_price_changes_with_a_block_and_keeps_its_history(chain: Chain, ask: Ask) -> None:
    chain.set_energy_price(210)
    before = ask("wallet/getenergyprices")["prices"]
    info = info_of(chain, ask, chain.pay(BUYER, 5))

    assert (before, ask("wallet/getenergyprices")["prices"]) == ("0:100", f"0:100,{chain.head.timestamp_ms}:210")
    assert info["receipt"]["energy_fee"] == COLD * 210
    assert {"key": "getEnergyFee", "value": 210} in ask("wallet/getchainparameters")["chainParameter"]
    assert ask("walletsolidity/getenergyprices")["prices"] == "0:100"


def test_what_was_changed_outlives_a_fork(chain: Chain, ask: Ask) -> None:
    chain.set_energy_price(420)
    chain.advance(2)

    chain.fork(2)

    assert ask("wallet/getenergyprices")["prices"].endswith(":420")


def test_staked_energy_is_used_first_and_comes_back_over_a_day(chain: Chain, ask: Ask) -> None:
    chain.stake(chain.wallet_address, 200_000)
    chain.advance(1)
    fresh = resources(chain, ask)
    before = sun_of(chain, chain.wallet_address)

    receipt = info_of(chain, ask, chain.pay(BUYER, 5))["receipt"]
    used = resources(chain, ask)
    chain.advance(1, step_ms=12 * 3600 * 1000)

    assert fresh == {"EnergyLimit": 200_000}
    assert (receipt["energy_usage"], receipt["energy_usage_total"], "energy_fee" in receipt) == (COLD, COLD, False)
    assert sun_of(chain, chain.wallet_address) == before
    assert used == {"EnergyUsed": COLD, "EnergyLimit": 200_000}
    assert resources(chain, ask)["EnergyUsed"] == COLD // 2


def test_what_the_stake_does_not_cover_is_bought(chain: Chain, ask: Ask) -> None:
    chain.stake(chain.wallet_address, 100_000)
    chain.advance(1)

    receipt = info_of(chain, ask, chain.pay(BUYER, 5))["receipt"]

    assert (receipt["energy_usage"], receipt["energy_fee"]) == (100_000, (COLD - 100_000) * 100)


def test_the_fee_limit_caps_staked_energy_too_and_burns_it_spec_6(chain: Chain, ask: Ask) -> None:
    chain.stake(chain.wallet_address, 1_000_000)
    chain.advance(1)

    info = info_of(chain, ask, pay_limited(chain, 10_000_000))  # 100,000 energy at 100 sun

    assert info["receipt"]["result"] == "OUT_OF_ENERGY"
    assert (info["receipt"]["energy_usage"], "energy_fee" in info["receipt"]) == (100_000, False)
    assert resources(chain, ask)["EnergyUsed"] == 100_000
    assert chain.balance_of(BUYER) == 0


def test_a_fee_limit_that_just_suffices_succeeds_and_one_energy_less_burns_all(chain: Chain, ask: Ask) -> None:
    short = info_of(chain, ask, pay_limited(chain, COLD * 100 - 1))
    enough = info_of(chain, ask, pay_limited(chain, COLD * 100))

    assert (short["receipt"]["result"], short["receipt"]["energy_fee"]) == ("OUT_OF_ENERGY", (COLD - 1) * 100)
    assert (enough["receipt"]["result"], enough["receipt"]["energy_fee"]) == ("SUCCESS", COLD * 100)


@pytest.mark.parametrize(("purse", "limit"), [
    (Purse(staked=0, price_sun=100, fee_limit_sun=10_000, balance_sun=5_000), 50),
    (Purse(staked=70, price_sun=100, fee_limit_sun=10_000, balance_sun=5_000), 100),
    (Purse(staked=20, price_sun=100, fee_limit_sun=10_000, balance_sun=5_000), 70),
    (Purse(staked=20, price_sun=100, fee_limit_sun=99, balance_sun=5_000), 0),
])
def test_the_energy_limit_is_the_lesser_of_means_and_fee_limit_spec_6(purse: Purse, limit: int) -> None:
    assert purse.limit == limit


def test_a_contract_nobody_crowds_has_no_penalty(chain: Chain, ask: Ask) -> None:
    receipt = info_of(chain, ask, chain.fake_transfer(BUYER, 5))["receipt"]

    assert receipt["energy_usage_total"] == charged(COLD, 0)[0] == 29_650
    assert "energy_penalty_total" not in receipt


@pytest.mark.parametrize(("measured", "penalty"), [(WARM, 49_635), (COLD, 100_635), (935, 682), (100, 37), (0, 0)])
def test_the_penalty_is_the_one_seen_on_mainnet(measured: int, penalty: int) -> None:
    assert charged(measured, 34_000) == (measured, penalty)


def test_energy_is_changed_over_http(client: Client, chain: Chain) -> None:
    changed = client.post("/devnet/energy", price_sun=210, factor=0)[1]
    client.post("/devnet/stake", address=chain.wallet_address, energy=10_000)
    txid = client.post("/devnet/pay", to=BUYER, units=5)[1]["txid"]
    chain.advance(1)

    receipt = client.post("/wallet/gettransactioninfobyid", value=txid)[1]["receipt"]

    assert changed["from_height"] == chain.head_height
    assert (receipt["energy_usage"], receipt["energy_fee"]) == (10_000, 19_650 * 210)


@pytest.mark.parametrize(("call", "body", "code"), [
    ("energy", {}, "missing_field"), ("energy", {"price_sun": 0}, "invalid_field"),
    ("energy", {"factor": -1}, "invalid_field"), ("stake", {"address": BUYER}, "invalid_field"),
    ("stake", {"energy": 5}, "invalid_address"),
])
def test_bad_energy_is_refused(client: Client, call: str, body: dict[str, Any], code: str) -> None:
    status, answer = client.post("/devnet/" + call, **body)

    assert (status, answer["code"]) == (400, code)

"""Unmodified tronpy pays on the devnet and reads the receipt (D1)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tronpy import Tron
from tronpy.exceptions import (
    AddressNotFound,
    BadSignature,
    BlockNotFound,
    TaposError,
    TransactionError,
    TransactionNotFound,
    TvmError,
    UnknownError,
    ValidationError,
)
from tronpy.keys import PrivateKey
from tronpy.providers import HTTPProvider

from core.clock import SystemClock
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from tests.devnet.conftest import BUYER

FEE_LIMIT_SUN = 50_000_000
POLL_S = 0.01
STRANGER = PrivateKey(bytes(31) + b"\x09")


@pytest.fixture
def live() -> Iterator[Chain]:
    """Give a chain on the real clock; it is mined by hand."""
    chain = Chain.open(None, clock=SystemClock(), block_interval_s=0.05)
    chain.mine()
    yield chain
    chain.close()


@pytest.fixture
def tron(live: Chain) -> Iterator[Tron]:
    """Give tronpy's client on the chain."""
    server = DevnetServer(live).start()
    client = Tron(HTTPProvider(server.url))
    yield client
    client.provider.sess.close()
    server.stop()


@pytest.fixture
def wallet(live: Chain) -> PrivateKey:
    """Give the demo wallet's key."""
    return PrivateKey(live.ring.wallet)


def build_payment(tron: Tron, live: Chain, units: int) -> Any:
    """Build a USDT transfer from the demo wallet."""
    usdt = tron.get_contract(live.usdt_address)
    return usdt.functions.transfer(BUYER, units).with_owner(live.wallet_address).fee_limit(FEE_LIMIT_SUN).build()


def test_usdt_journey_d1(tron: Tron, live: Chain, wallet: PrivateKey) -> None:
    usdt = tron.get_contract(live.usdt_address)
    sent = build_payment(tron, live, 1_234_567).sign(wallet).broadcast()
    live.mine()

    info = sent.wait(interval=POLL_S)
    (event,) = usdt.events.Transfer.process_receipt(info)

    assert (usdt.functions.name(), usdt.functions.symbol(), usdt.functions.decimals()) == ("Tether USD", "USDT", 6)
    assert info["receipt"]["result"] == "SUCCESS"
    assert sent.result(interval=POLL_S) is False  # as on mainnet
    assert event["args"] == {"from": live.wallet_address, "to": BUYER, "value": 1_234_567}
    assert usdt.functions.balanceOf(BUYER) == 1_234_567
    assert tron.get_transaction(sent.txid)["ret"] == [{"contractRet": "SUCCESS"}]


def test_solid_receipt_comes_eighteen_blocks_later(tron: Tron, live: Chain, wallet: PrivateKey) -> None:
    sent = build_payment(tron, live, 5).sign(wallet).broadcast()
    live.mine()
    with pytest.raises(TransactionNotFound):
        tron.get_solid_transaction_info(sent.txid)

    live.advance(18, step_ms=1)

    assert tron.get_solid_transaction_info(sent.txid)["id"] == sent.txid


def test_trx_transfer_with_memo_and_permission(tron: Tron, live: Chain, wallet: PrivateKey) -> None:
    builder = tron.trx.transfer(live.wallet_address, BUYER, 5_000_000).memo("thanks").permission_id(2)

    sent = builder.build().sign(wallet).broadcast()
    live.mine()

    assert sent.wait(interval=POLL_S)["fee"] == 1_100_000 + 1_000_000  # activation and memo
    assert tron.get_account_balance(BUYER) == Decimal(5)
    assert tron.get_transaction(sent.txid)["raw_data"]["data"] == b"thanks".hex()


def test_allowance_is_spent_by_another(tron: Tron, live: Chain, wallet: PrivateKey) -> None:
    usdt = tron.get_contract(live.usdt_address)
    spender = STRANGER.public_key.to_base58check_address()
    live.faucet_trx(spender, 100_000_000)
    approve = usdt.functions.approve(spender, 10).with_owner(live.wallet_address).fee_limit(FEE_LIMIT_SUN)
    approve.build().sign(wallet).broadcast()
    live.mine()

    spend = usdt.functions.transferFrom(live.wallet_address, BUYER, 10).with_owner(spender).fee_limit(FEE_LIMIT_SUN)
    spent = spend.build().sign(STRANGER).broadcast()
    live.mine()

    assert spent.result(interval=POLL_S) is True
    assert usdt.functions.balanceOf(BUYER) == 10


def test_heights_blocks_and_prices(tron: Tron, live: Chain) -> None:
    live.advance(20, step_ms=1)

    assert (tron.get_latest_block_number(), tron.get_latest_solid_block_number()) == (21, 3)
    assert tron.get_latest_block()["blockID"] == tron.get_latest_block_id()
    assert tron.get_latest_solid_block()["blockID"] == tron.get_latest_solid_block_id()
    assert tron.get_block(3)["blockID"] == tron.get_latest_solid_block_id()
    assert tron.get_block(live.genesis_id)["blockID"] == live.genesis_id
    assert {"key": "getEnergyFee", "value": 100} in tron.get_chain_parameters()
    assert tron.get_bandwidth(live.wallet_address) == 600
    assert tron.get_account_permission(live.wallet_address)["owner"]["threshold"] == 1
    assert tron.get_contract_info(live.usdt_address)["contract_state"]["energy_factor"] == 34_000


def test_energy_estimate(tron: Tron, live: Chain) -> None:
    parameter = "00" * 31 + "07" + f"{5:064x}"

    energy = tron.get_estimated_energy(live.wallet_address, live.usdt_address, "transfer(address,uint256)", parameter)

    assert energy == 130_285


def test_unknown_things_are_not_found(tron: Tron) -> None:
    with pytest.raises(BlockNotFound):
        tron.get_block(99)
    with pytest.raises(TransactionNotFound):
        tron.get_transaction_info("00" * 32)
    with pytest.raises(AddressNotFound):
        tron.get_account(BUYER)
    assert tron.get_contract(BUYER).abi == []


def test_reverted_simulation_and_receipt_raise(tron: Tron, live: Chain, wallet: PrivateKey) -> None:
    sent = build_payment(tron, live, 2**200).sign(wallet).broadcast()
    live.mine()

    with pytest.raises(TvmError):
        sent.result(interval=POLL_S)
    with pytest.raises(TvmError):
        tron.trigger_constant_contract(live.wallet_address, live.usdt_address, "nothing()", "")


def test_refusals_have_their_codes_t53(tron: Tron, live: Chain, wallet: PrivateKey) -> None:
    payment = build_payment(tron, live, 5)
    with pytest.raises(BadSignature):
        payment.broadcast()
    payment.sign(wallet).broadcast()
    with pytest.raises(UnknownError, match="DUP_TRANSACTION_ERROR"):
        payment.broadcast()

    astray = build_payment(tron, live, 6)
    astray._raw_data["ref_block_hash"] = "00" * 8
    with pytest.raises(TaposError):
        resigned(astray, tron, wallet).broadcast()

    late = build_payment(tron, live, 7)
    late._raw_data["expiration"] = live.head.timestamp_ms + 25 * 3600 * 1000
    with pytest.raises(TransactionError):
        resigned(late, tron, wallet).broadcast()

    with pytest.raises(ValidationError):
        tron.trx.transfer(live.wallet_address, BUYER, 2**62).build().sign(wallet).broadcast()


def resigned(transaction: Any, tron: Tron, key: PrivateKey) -> Any:
    """Let the node compute the changed transaction's id, and sign that."""
    transaction.txid = tron.get_sign_weight(transaction)["transaction"]["transaction"]["txID"]
    return transaction.sign(key)

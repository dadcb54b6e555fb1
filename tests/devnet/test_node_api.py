"""The node's JSON, shape by shape (spec tron.md, section 3)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.devnet import keys, wire
from core.devnet.ledger import Chain
from tests.devnet.conftest import BUYER, Ask

NO_ROOT = "0" * 64
HEX_ID = re.compile(r"[0-9a-f]{64}")
STRANGER = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"


@pytest.fixture
def paid(chain: Chain) -> str:
    """Put a payment into block 2 and one empty block on top; return its txid."""
    txid = chain.pay(BUYER, 1_000_000)
    chain.advance(2)
    return txid


def test_empty_block_has_no_transactions_key_and_a_zero_root_d7(ask: Ask, paid: str) -> None:
    block = ask("wallet/getblockbynum", num=3)

    assert "transactions" not in block
    assert block["block_header"]["raw_data"]["txTrieRoot"] == NO_ROOT
    assert set(block) == {"blockID", "block_header"}
    assert set(block["block_header"]) == {"raw_data", "witness_signature"}
    assert set(block["block_header"]["raw_data"]) == {
        "number", "txTrieRoot", "witness_address", "parentHash", "version", "timestamp",
    }  # fmt: skip


def test_blocks_form_a_chain_and_ids_start_with_the_height_d7(ask: Ask, paid: str) -> None:
    blocks = [ask("wallet/getblockbynum", num=height) for height in range(4)]

    assert [int(block["blockID"][:16], 16) for block in blocks] == [0, 1, 2, 3]
    parents = [block["block_header"]["raw_data"]["parentHash"] for block in blocks]
    assert parents[1:] == [block["blockID"] for block in blocks[:3]]


def test_genesis_header_has_no_number_d6(chain: Chain, ask: Ask) -> None:
    block = ask("wallet/getblockbynum", num=0)

    assert "number" not in block["block_header"]["raw_data"]
    assert block["blockID"] == chain.genesis_id


def test_full_block_transaction_d6(chain: Chain, ask: Ask, paid: str) -> None:
    block = ask("wallet/getblockbynum", num=2)
    (transaction,) = block["transactions"]

    assert set(transaction) == {"ret", "signature", "txID", "raw_data", "raw_data_hex"}
    assert transaction["ret"] == [{"contractRet": "SUCCESS"}]
    assert transaction["txID"] == paid == wire.txid_of(bytes.fromhex(transaction["raw_data_hex"])).hex()
    assert len(transaction["signature"][0]) == 130
    assert block["block_header"]["raw_data"]["txTrieRoot"] != NO_ROOT
    value = transaction["raw_data"]["contract"][0]["parameter"]["value"]
    assert set(value) == {"owner_address", "contract_address", "data"}  # no call_value: 0
    assert value["contract_address"] == keys.from_base58(chain.usdt_address).hex()


def test_visible_writes_addresses_in_base58_d6(chain: Chain, ask: Ask, paid: str) -> None:
    block = ask("wallet/getblockbynum", num=2, visible=True)
    info = ask("wallet/gettransactioninfobyid", value=paid, visible=True)

    value = block["transactions"][0]["raw_data"]["contract"][0]["parameter"]["value"]
    assert value["owner_address"] == chain.wallet_address
    assert block["block_header"]["raw_data"]["witness_address"].startswith("T")
    assert info["contract_address"] == info["log"][0]["address"] == chain.usdt_address


def test_log_address_is_twenty_bytes_without_41_d6(chain: Chain, ask: Ask, paid: str) -> None:
    info = ask("wallet/gettransactioninfobyid", value=paid)

    assert info["log"][0]["address"] == keys.from_base58(chain.usdt_address).hex()[2:]
    assert info["contract_address"] == keys.from_base58(chain.usdt_address).hex()
    assert info["id"] == paid


def test_same_block_by_every_way_of_asking(ask: Ask, paid: str) -> None:
    block = ask("wallet/getblockbynum", num=2)

    assert ask("wallet/getblockbyid", value=block["blockID"]) == block
    assert ask("wallet/getblock", id_or_num="2", detail=True) == block
    assert ask("wallet/getblock", id_or_num=block["blockID"], detail=True) == block
    assert ask("wallet/getblockbylimitnext", startNum=2, endNum=3) == {"block": [block]}


def test_getblock_without_detail_is_a_header(ask: Ask, paid: str) -> None:
    header = ask("wallet/getblock", id_or_num="2")

    assert header["block_header"] == ask("wallet/getblockbynum", num=2)["block_header"]
    assert "transactions" not in header
    assert ask("wallet/getblock")["block_header"] == ask("wallet/getnowblock")["block_header"]


def test_infos_of_a_block_come_in_order_with_its_time(chain: Chain, ask: Ask) -> None:
    sent = [chain.pay(BUYER, 1), chain.failed_transfer(BUYER, 1, "revert"), chain.pay(BUYER, 2)]
    chain.advance(1)

    infos = ask("wallet/gettransactioninfobyblocknum", num=2)

    assert [info["id"] for info in infos] == sent
    assert {(info["blockNumber"], info["blockTimeStamp"]) for info in infos} == {(2, chain.head.timestamp_ms)}
    assert ask("wallet/gettransactioncountbyblocknum", num=2) == {"count": 3}


@pytest.mark.parametrize(
    ("path", "params", "answer"),
    [
        ("getblockbynum", {"num": 99}, {}),
        ("getblockbynum", {"num": -1}, {}),
        ("getblockbynum", {"num": 2**70}, {}),
        ("getblockbyid", {"value": "00" * 32}, {}),
        ("getblockbyid", {"value": ""}, {}),
        ("getblock", {"id_or_num": "99"}, {}),
        ("getblockbylimitnext", {"startNum": 90, "endNum": 99}, {}),
        ("getblockbylimitnext", {"startNum": 0, "endNum": 101}, {}),
        ("getblockbylimitnext", {"startNum": 3, "endNum": 3}, {}),
        ("gettransactionbyid", {"value": "00" * 32}, {}),
        ("gettransactioninfobyid", {"value": "00" * 32}, {}),
        ("gettransactioninfobyblocknum", {"num": 99}, []),
        ("gettransactioninfobyblocknum", {"num": 3}, []),
        ("gettransactioninfobyblocknum", {"num": 0}, {}),
        ("gettransactioninfobyblocknum", {"num": -5}, {}),
        ("gettransactioncountbyblocknum", {"num": 99}, {"count": 0}),
        ("getcontract", {"value": STRANGER}, {}),
        ("getcontractinfo", {"value": STRANGER}, {}),
        ("getaccount", {"address": STRANGER}, {}),
        ("getaccountresource", {"address": STRANGER}, {}),
        ("getaccountnet", {"address": STRANGER}, {}),
    ],
)
def test_unknown_things_are_empty_not_errors_spec_2(
    ask: Ask, paid: str, path: str, params: dict[str, Any], answer: object
) -> None:
    assert ask("wallet/" + path, **params) == answer


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("getaccount", {"address": "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwc"}),
        ("getaccount", {}),
        ("getaccount", {"address": ["x"]}),
        ("getcontract", {"value": "zz"}),
        ("getblockbynum", {"num": "abc"}),
        ("getblockbynum", {"num": 1.5}),
        ("getblockbynum", {"num": [1]}),
        ("getblockbyid", {"value": "zz"}),
        ("getblock", {"id_or_num": "z" * 64}),
        ("broadcasttransaction", {"raw_data": None}),
        ("broadcasthex", {"transaction": "ff"}),
        ("broadcasthex", {"transaction": "xy"}),
        ("getsignweight", {}),
        ("triggerconstantcontract", {}),
    ],
)
def test_nonsense_is_an_error_object_spec_2(ask: Ask, path: str, params: dict[str, Any]) -> None:
    answer = ask("wallet/" + path, **params)

    assert list(answer) == ["Error"]
    assert answer["Error"].startswith("class ")


def test_solid_root_does_not_see_the_head_d10(chain: Chain, ask: Ask, paid: str) -> None:
    before = (
        ask("walletsolidity/gettransactioninfobyblocknum", num=2),
        ask("walletsolidity/gettransactioninfobyid", value=paid),
        ask("walletsolidity/gettransactionbyid", value=paid),
        ask("walletsolidity/getblockbynum", num=2),
        ask("walletsolidity/getblock", id_or_num="2"),
        ask("walletsolidity/gettransactioncountbyblocknum", num=2),
    )

    chain.advance(17)

    assert before == ([], {}, {}, {}, {}, {"count": 0})
    assert ask("walletsolidity/getnowblock")["block_header"]["raw_data"]["number"] == chain.solid_height == 2
    assert ask("walletsolidity/gettransactioninfobyblocknum", num=2)[0]["id"] == paid


def test_solid_root_reads_the_solid_state(chain: Chain, ask: Ask, paid: str) -> None:
    call = {
        "owner_address": chain.wallet_address,
        "contract_address": chain.usdt_address,
        "function_selector": "balanceOf(address)",
        "parameter": "00" * 12 + keys.from_base58(BUYER)[1:].hex(),
    }
    head = ask("wallet/triggerconstantcontract", **call)["constant_result"]
    unsolid = ask("walletsolidity/triggerconstantcontract", **call)["constant_result"]
    chain.advance(17)

    assert head == [f"{1_000_000:064x}"]
    assert unsolid == [f"{0:064x}"]
    assert ask("walletsolidity/triggerconstantcontract", **call)["constant_result"] == head


def test_node_info_gives_both_heights_and_ids(chain: Chain, ask: Ask) -> None:
    chain.advance(30)

    info = ask("wallet/getnodeinfo")

    assert info["block"] == f"Num:31,ID:{ask('wallet/getnowblock')['blockID']}"
    assert info["solidityBlock"] == f"Num:13,ID:{ask('walletsolidity/getnowblock')['blockID']}"


def test_simulated_transfer_tells_the_energy(chain: Chain, ask: Ask) -> None:
    answer = ask("wallet/triggerconstantcontract", **transfer_call(chain, units=5))

    assert answer["result"] == {"result": True}
    assert (answer["energy_used"], answer["constant_result"]) == (130_285, ["0" * 64])
    assert answer["transaction"]["ret"] == [{}]
    assert len(answer["logs"]) == 1
    assert ask("wallet/estimateenergy", **transfer_call(chain, units=5))["energy_required"] == 130_285


@pytest.mark.parametrize(
    ("visible", "message"), [(False, b"REVERT opcode executed".hex()), (True, "REVERT opcode executed")]
)
def test_simulated_revert_still_says_true_spec_3(chain: Chain, ask: Ask, visible: bool, message: str) -> None:
    answer = ask("wallet/triggerconstantcontract", **transfer_call(chain, units=2**255), visible=visible)

    assert answer["result"] == {"result": True, "message": message}
    assert answer["transaction"]["ret"] == [{"ret": "FAILED"}]
    assert answer["constant_result"] == [""]


def test_simulation_of_no_contract_is_a_coded_refusal(chain: Chain, ask: Ask) -> None:
    call = transfer_call(chain, units=5) | {"contract_address": STRANGER}

    for name in ("triggerconstantcontract", "estimateenergy", "triggersmartcontract"):
        assert ask("wallet/" + name, **call, visible=True)["result"] == {
            "code": "CONTRACT_VALIDATE_ERROR",
            "message": "Contract validate error : Smart contract is not exist.",
        }


def test_node_builds_a_call_without_simulating(chain: Chain, ask: Ask) -> None:
    answer = ask("wallet/triggersmartcontract", **transfer_call(chain, units=2**255), fee_limit=7)

    transaction = answer["transaction"]
    assert answer["result"] == {"result": True}
    assert set(transaction) == {"visible", "txID", "raw_data", "raw_data_hex"}
    assert transaction["raw_data"]["fee_limit"] == 7
    assert wire.from_json(transaction).txid.hex() == transaction["txID"]


def test_sign_weight_before_and_after_signing(chain: Chain, ask: Ask) -> None:
    built = ask("wallet/triggersmartcontract", **transfer_call(chain, units=5))["transaction"]
    signature = keys.sign(private_key=chain.ring.wallet, digest=bytes.fromhex(built["txID"]))

    before = ask("wallet/getsignweight", **built)
    after = ask("wallet/getsignweight", **built, signature=[signature.hex()])

    owner = keys.from_base58(chain.wallet_address).hex()
    assert before["result"] == {"code": "NOT_ENOUGH_PERMISSION"}
    assert before["permission"]["keys"] == [{"address": owner, "weight": 1}]
    assert before["transaction"]["transaction"]["txID"] == built["txID"]
    assert (after["result"], after["current_weight"], after["approved_list"]) == ({}, 1, [owner])


def test_sign_weight_of_an_unknown_account_spec_3(chain: Chain, ask: Ask) -> None:
    call = transfer_call(chain, units=5) | {"owner_address": STRANGER}

    answer = ask("wallet/getsignweight", **ask("wallet/triggersmartcontract", **call)["transaction"])

    assert answer["result"] == {"code": "PERMISSION_ERROR", "message": "Account does not exist!"}
    assert "permission" not in answer
    assert HEX_ID.fullmatch(answer["transaction"]["transaction"]["txID"])


def test_broadcast_message_is_hex_or_text_spec_8(chain: Chain, ask: Ask) -> None:
    unsigned = ask("wallet/triggersmartcontract", **transfer_call(chain, units=5))["transaction"]
    unsigned.pop("visible")

    hexed = ask("wallet/broadcasttransaction", **unsigned)
    text = ask("wallet/broadcasttransaction", **unsigned, visible=True)

    assert (hexed["code"], hexed["txid"], "result" in hexed) == ("SIGERROR", unsigned["txID"], False)
    assert bytes.fromhex(hexed["message"]).decode() == text["message"]


def test_broadcast_hex_answers_in_text_spec_8(chain: Chain, ask: Ask) -> None:
    built = ask("wallet/triggersmartcontract", **transfer_call(chain, units=5), fee_limit=20_000_000)["transaction"]
    raw = bytes.fromhex(built["raw_data_hex"])
    signature = keys.sign(private_key=chain.ring.wallet, digest=wire.txid_of(raw))
    signed = wire.read(raw, (signature,)).to_bytes().hex()

    first = ask("wallet/broadcasthex", transaction=signed)
    again = ask("wallet/broadcasthex", transaction=signed)

    assert (first["result"], first["code"], first["txid"]) == (True, "SUCCESS", built["txID"])
    assert (again["result"], again["code"], again["message"]) == (False, "DUP_TRANSACTION_ERROR", "Dup transaction.")


def test_contract_shows_an_abi_tronpy_can_use(chain: Chain, ask: Ask) -> None:
    contract = ask("wallet/getcontract", value=chain.usdt_address, visible=True)
    entries = contract["abi"]["entrys"]

    assert contract["contract_address"] == chain.usdt_address
    assert all(entry["stateMutability"] for entry in entries if entry["type"] == "Function")
    assert ask("wallet/getcontractinfo", value=chain.usdt_address, visible=True)["smart_contract"] == contract


def test_account_and_its_keys(chain: Chain, ask: Ask) -> None:
    account = ask("wallet/getaccount", address=chain.wallet_address, visible=True)

    assert account["balance"] == 100_000_000 * 10**6
    assert account["owner_permission"]["keys"] == [{"address": chain.wallet_address, "weight": 1}]
    assert ask("wallet/getaccountresource", address=chain.wallet_address)["freeNetLimit"] == 600
    assert "freeNetUsed" not in ask("wallet/getaccountresource", address=chain.wallet_address)


def test_prices_are_chain_parameters(ask: Ask) -> None:
    parameters = {entry["key"]: entry["value"] for entry in ask("wallet/getchainparameters")["chainParameter"]}

    assert (parameters["getEnergyFee"], parameters["getTransactionFee"]) == (100, 1000)
    assert ask("wallet/getenergyprices") == {"prices": "0:100"}


@pytest.mark.parametrize(
    ("address", "result"), [(BUYER, True), ("41" + "11" * 20, True), (BUYER[:-1] + "a", False), ("", False)]
)
def test_validate_address(ask: Ask, address: str, result: bool) -> None:
    assert ask("wallet/validateaddress", address=address)["result"] is result


def test_unknown_calls_and_writes_on_the_solid_root_do_not_exist(ask: Ask) -> None:
    assert ask("wallet/nothing") is None
    assert ask("walletsolidity/broadcasttransaction") is None
    assert ask("elsewhere/getnowblock") is None


def transfer_call(chain: Chain, *, units: int) -> dict[str, str]:
    """Describe a transfer from the demo wallet, as the trigger calls want it."""
    return {
        "owner_address": chain.wallet_address,
        "contract_address": chain.usdt_address,
        "function_selector": "transfer(address,uint256)",
        "parameter": "00" * 12 + keys.from_base58(BUYER)[1:].hex() + f"{units:064x}",
    }

"""Decoding: logs of the exact Transfer shape are found with their place and fate; everything else is left out."""

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError

from core.chain.decode import (
    TRANSFER_TOPIC, BlockInconsistent, Log, TokenKind, TransactionInfo, TransferLog, accounts_in, check_block_infos,
    kind_of, read_error, read_header, read_infos, transfers_in,
)
from core.errors import NodeUnavailable

USDT20 = bytes.fromhex("a614f803b6fd780986a42c78ec9c7f77e6ded13c")
ALICE20, BOB20, ROUTER20 = b"\xa1" * 20, b"\xb0" * 20, b"\xcc" * 20
APPROVAL_TOPIC = "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"
FAILURES = [
    "DEFAULT", "REVERT", "BAD_JUMP_DESTINATION", "OUT_OF_MEMORY", "PRECOMPILED_CONTRACT", "STACK_TOO_SMALL",
    "STACK_TOO_LARGE", "ILLEGAL_OPERATION", "STACK_OVERFLOW", "OUT_OF_ENERGY", "OUT_OF_TIME",
    "JVM_STACK_OVER_FLOW", "UNKNOWN", "TRANSFER_FAILED", "INVALID_CODE", "FAILED", "success", "",
]


def word(raw20):
    return "00" * 12 + raw20.hex()


def log(*, contract=USDT20, sender=ALICE20, to=BOB20, units=50_000_000, **changes):
    return {"address": contract.hex(), "topics": [TRANSFER_TOPIC, word(sender), word(to)],
            "data": f"{units:064x}"} | changes


def info(*logs, txid="11" * 32, **changes):
    return {"id": txid, "blockNumber": 7, "blockTimeStamp": 1000, "receipt": {"result": "SUCCESS"}, "fee": 345000,
            "contractResult": ["0" * 64], "log": list(logs), "unknown_field": {"x": [1]}} | changes


def decode(*infos):
    return transfers_in(read_infos(json.dumps(infos).encode()))


def test_a_plain_transfer_is_read_exactly():
    """T1, T19: contractResult of zeros with SUCCESS is a success."""
    assert decode(info(log())) == [TransferLog(
        txid="11" * 32, log_index=0, block_index=0, contract20=USDT20, sender20=ALICE20, to20=BOB20, units=50_000_000,
        succeeded=True,
    )]


def test_t2_t3_the_payer_is_the_logs_sender_whatever_the_top_level_call():
    router = info(log(contract=ROUTER20, topics=["ab" * 32]), log(), contract_address="41" + ROUTER20.hex())

    assert [(found.sender20, found.log_index) for found in decode(router)] == [(ALICE20, 1)]


def test_t4_each_transfer_of_one_transaction_is_found():
    three = info(*(log(to=bytes([n]) * 20, units=n) for n in (1, 2, 3)))

    found = [(one.log_index, one.to20[0], one.units) for one in decode(three)]
    assert found == [(0, 1, 1), (1, 2, 2), (2, 3, 3)]


def test_t5_identical_transfers_differ_by_their_place():
    twins = decode(info(log(), log()))

    assert [(found.txid, found.log_index) for found in twins] == [("11" * 32, 0), ("11" * 32, 1)]


def test_the_place_counts_within_the_transaction_not_the_block():
    found = decode(info(log(), txid="11" * 32), info(log(topics=[]), log(), txid="22" * 32))

    assert [(one.txid[:2], one.log_index) for one in found] == [("11", 0), ("22", 1)]


def test_t6_a_fake_token_is_told_by_its_contract_alone():
    real, fake = decode(info(log(), log(contract=ROUTER20)))

    assert (kind_of(real, USDT20), kind_of(fake, USDT20)) == (TokenKind.USDT, TokenKind.FAKE)


def test_t7_t15_zero_values_and_mints_are_listed_for_the_scanner_to_judge():
    found = decode(info(log(units=0), log(sender=bytes(20))))

    assert [(one.units, one.sender20) for one in found] == [(0, ALICE20), (50_000_000, bytes(20))]


@pytest.mark.parametrize("odd", [
    log(topics=[APPROVAL_TOPIC, word(ALICE20), word(BOB20)]),
    log(topics=[TRANSFER_TOPIC, word(ALICE20), word(BOB20), "00" * 32], data=""),
    log(topics=[TRANSFER_TOPIC, word(ALICE20), word(BOB20), "00" * 32]),
    log(topics=[]),
    {"address": USDT20.hex(), "data": "00" * 32},
    {"address": USDT20.hex(), "topics": [TRANSFER_TOPIC, word(ALICE20), word(BOB20)]},
    {},
    log(topics=[TRANSFER_TOPIC]),
    log(topics=[TRANSFER_TOPIC, word(ALICE20)]),
    log(topics=[TRANSFER_TOPIC, word(ALICE20), BOB20.hex()]),
    log(topics=[TRANSFER_TOPIC, word(ALICE20), "zz" * 32]),
    log(topics=["0x" + TRANSFER_TOPIC, word(ALICE20), word(BOB20)]),
    log(data=""), log(data="0" * 63), log(data="0" * 65), log(data="0" * 128), log(data="0x" + "0" * 62),
    log(data="zz" * 32), log(data="+" + "0" * 63), log(data="0_" * 31 + "00"), log(data=" " * 62 + "01"),
    log(data="\u0661" * 64), log(data="0" * 63 + "\n"),
], ids=[
    "T11 Approval", "T12 four topics", "four topics and data", "T12 no topics",
    "T12 topics missing", "data missing", "T12 nothing at all",
    "one topic", "two topics", "recipient of 20 bytes", "recipient not hex", "topic with 0x", "no data", "odd hex",
    "too long", "two words", "0x in data", "not hex", "sign", "underscores", "blanks", "Arabic digits", "line end",
])
def test_anything_of_another_shape_is_left_out_and_does_not_hide_its_neighbour(odd):
    found = decode(info(odd, log()))

    assert [one.log_index for one in found] == [1]


def test_hex_in_capitals_is_the_same_transfer():
    shouting = json.loads(json.dumps(log(units=0xABCDEF)).upper().replace("ADDRESS", "address")
                          .replace("TOPICS", "topics").replace('"DATA"', '"data"'))

    assert decode(info(shouting, txid="AB" * 32)) == decode(info(log(units=0xABCDEF), txid="ab" * 32))


@pytest.mark.parametrize("units", [1, 2**53 + 1, 2**63 - 1, 2**63, 2**255, 2**256 - 1])
def test_t27_every_amount_is_exact(units):
    assert decode(info(log(units=units)))[0].units == units


@pytest.mark.parametrize("result", FAILURES)
def test_t16_t17_a_failed_receipt_with_logs_is_not_a_success(result):
    assert [found.succeeded for found in decode(info(log(), receipt={"result": result}))] == [False]


@pytest.mark.parametrize("changes", [
    {"result": "FAILED"}, {"result": ""}, {"result": "SUCCESS"}, {"receipt": {}},
    {"receipt": {"result": "OUT_OF_TIME"}, "result": "FAILED"},
], ids=["FAILED", "empty", "even SUCCESS", "no receipt result", "T17 both"])
def test_t18_success_needs_the_receipt_and_no_top_level_result(changes):
    assert [found.succeeded for found in decode(info(log()) | changes)] == [False]


def test_t18_a_missing_receipt_is_not_a_success():
    without = info(log())
    del without["receipt"]

    assert [found.succeeded for found in decode(without)] == [False]


def test_t13_t16_t20_without_logs_there_is_nothing():
    assert decode(info(), {"id": "22" * 32}, info(receipt={"result": "REVERT"}, result="FAILED")) == []


@pytest.mark.parametrize("address", ["41" + USDT20.hex(), USDT20.hex().upper()])
def test_a_contract_address_may_carry_its_prefix(address):
    assert decode(info(log(address=address)))[0].contract20 == USDT20


@pytest.mark.parametrize("address", ["", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "zz" * 20, "42" + USDT20.hex()])
def test_a_transfer_of_no_readable_contract_is_reported_not_lost(address):
    """A node that answers in another notation would otherwise turn every payment into a fake token."""
    with pytest.raises(BlockInconsistent):
        decode(info(log(address=address)))


def check(*infos, height=7, after_time_ms=999):
    check_block_infos(read_infos(json.dumps(infos).encode()), height, after_time_ms)


def test_the_infos_of_one_block_agree():
    check(info(txid="11" * 32), info(txid="22" * 32))
    check()


@pytest.mark.parametrize(("infos", "words"), [
    ([info(), info(blockNumber=8, txid="22" * 32)], "block 8"),
    ([info(blockNumber=0)], "block 0"),
    ([{"id": "11" * 32}], "block 0"),
    ([info(), info(blockTimeStamp=1001, txid="22" * 32)], "different block times"),
    ([info(blockTimeStamp=999)], "not later"),
    ([info(blockTimeStamp=0)], "not later"),
    ([info(), info()], "twice"),
    ([info(txid="ab" * 32), info(txid="AB" * 32)], "twice"),
    ([info(txid="")], "readable id"),
    ([info(txid="zz" * 32)], "readable id"),
], ids=["mixed heights", "height zero", "no height", "T37 mixed times", "same time", "no time", "same id",
        "same id in capitals", "no id", "id not hex"])
def test_infos_that_contradict_each_other_or_the_chain_are_refused(infos, words):
    with pytest.raises(BlockInconsistent, match=words) as refusal:
        check(*infos)

    assert isinstance(refusal.value, NodeUnavailable)


@pytest.mark.parametrize(("body", "error"), [
    (b'{"Error":"class X : y"}', "class X : y"), (b' \n{"Error":{"a":1}}', '{"a":1}'), (b'{"Error":null}', "null"),
    (b'{"blockID":5,"Error":"late"}', "late"), (b"{}", None), (b"[]", None), (b'[{"Error":"inside"}]', None),
    (b'{"error":"v1"}', None), (b"", None),
])
def test_an_error_key_is_seen_in_any_object(body, error):
    assert read_error(body) == error


def test_a_real_nile_header_is_read():
    """Id, height and root of the java-tron documentation's getnowblock sample; parent and time are made up."""
    header = read_header(json.dumps({
        "blockID": "0000000003fe266bf6b6d392f654dc2e5011601546ed04623d9fcc4e9d439a25",
        "block_header": {"raw_data": {
            "number": 66987627, "txTrieRoot": "f8156964cc3e5793a368f938a18ea45c02bd48fe3a412f7091ce8d9ef56df174",
            "witness_address": "41e7860196ad5b5718c1d6326babab039b70b8c1cd", "parentHash": "00" * 32,
            "timestamp": 1777445316000}}}).encode())

    assert (header.height, header.time_ms, header.proves_empty) == (66987627, 1777445316000, False)


def test_a_header_without_a_root_proves_nothing():
    block_id = f"{7:016x}" + "00" * 24
    header = read_header(json.dumps({"blockID": block_id, "block_header": {"raw_data": {"number": 7}}}).encode())

    assert not header.proves_empty


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "log", "topics", "data", "address", "receipt", "result", "blockNumber"]), inner),
    max_leaves=12,
).map(lambda shape: json.dumps(shape).encode()))
def test_z8_no_answer_raises_anything_unforeseen(body):
    for read in (read_infos, read_header, read_error):
        try:
            read(body)
        except (DecodeError, UnicodeDecodeError, BlockInconsistent):
            pass


WORD = st.one_of(
    st.binary(min_size=32, max_size=32).map(bytes.hex), st.text("0123456789abcdefABCDEF Tg\t", min_size=60, max_size=68)
)
LOGS = st.lists(st.builds(
    Log,
    address=st.sampled_from(["a6" * 20, "41" + "a6" * 20]),
    topics=st.lists(st.one_of(st.just(TRANSFER_TOPIC), st.just(TRANSFER_TOPIC.upper()), WORD), max_size=4).map(tuple),
    data=WORD,
), max_size=4)


@given(LOGS)
def test_the_quick_look_never_lacks_an_account_that_the_exact_one_finds(logs: list[Log]):
    infos = [TransactionInfo(id="ab" * 32, log=tuple(logs))]

    exact = {account for log in transfers_in(infos) for account in (log.sender20, log.to20)}

    assert exact <= accounts_in(infos)
    assert all(len(account) == 20 for account in accounts_in(infos))


@pytest.mark.parametrize("address", ["", "zz" * 20, "a6" * 21])
def test_a_transfer_of_an_unreadable_contract_is_heard_of_at_the_quick_look(address: str):
    words = (TRANSFER_TOPIC, "00" * 32, "00" * 32)

    with pytest.raises(BlockInconsistent):
        accounts_in([TransactionInfo(id="ab" * 32, log=(Log(address=address, topics=words, data="00" * 32),))])


def test_the_garbage_collector_lets_go_of_a_block():
    """Walking what a few blocks leave behind took a third of a scan's time while their logs were lists."""
    topics = [TRANSFER_TOPIC, word(ALICE20), word(BOB20)]
    log = {"address": USDT20.hex(), "topics": topics, "data": "00" * 32}
    infos = read_infos(json.dumps([{"id": "ab" * 32, "log": [log]}, {"id": "cd" * 32}]).encode())
    gc.collect()

    parts = [*infos, *(info.log for info in infos), *infos[0].log, infos[0].log[0].topics]

    assert [part for part in parts if gc.is_tracked(part)] == []

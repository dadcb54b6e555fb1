"""Transactions as protobuf: the published ids, and JSON both ways."""

from __future__ import annotations

import pytest
from tronpy.proto.transaction import calculate_txid_from_raw_data

from core.devnet import wire
from core.devnet.wire import Malformed, Terms

OWNER = bytes.fromhex("41dd791d6b49e190062d650e6a23c575510d35f2f9")
CONTRACT = bytes.fromhex("41eca9bc828a3005b9a3b909f2cc5c2a54794de05f")
REF = bytes(6) + bytes.fromhex("28c3") + bytes.fromhex("ce6d340282788569") + bytes(16)
CALLDATA = bytes.fromhex("a9059cbb" + "00" * 12 + "088a2bfcb1c7271029fd69a66859d55560895884" + f"{100:064x}")
NILE_TERMS = Terms(REF, expiration_ms=1777447227000, timestamp_ms=1777447168009, fee_limit_sun=100000000)
NILE_TXID = "8c621a0dc9bd4d405b20d0a43143955b9f546f98bbfde1aec295a65b0f925629"
MEMO_TXID = "8d061b3e634386346661ead9350d8e3012b7927fe821cb17640c6f171ed59e5c"


def nile_raw() -> bytes:
    """Build the real Nile transaction of the specification."""
    return wire.build_trigger(owner=OWNER, contract=CONTRACT, data=CALLDATA, terms=NILE_TERMS)


def test_txid_of_the_real_nile_transaction_spec_7() -> None:
    raw = nile_raw()

    assert wire.txid_of(raw).hex() == NILE_TXID
    assert len(raw) == 211
    assert wire.read(raw, (bytes(65),)).size == 281


def test_txid_includes_memo_and_permission_spec_7() -> None:
    terms = Terms(REF, expiration_ms=1, timestamp_ms=2, fee_limit_sun=3, memo=b"memo", permission_id=2)

    raw = wire.build_trigger(owner=OWNER, contract=CONTRACT, data=bytes.fromhex("a9059cbb"), terms=terms)

    assert wire.txid_of(raw).hex() == MEMO_TXID


def test_json_and_protobuf_are_the_same_transaction() -> None:
    raw = wire.build_transfer(owner=OWNER, to=CONTRACT, amount_sun=5, terms=NILE_TERMS)

    read_back = wire.from_json({"raw_data": wire.raw_to_json(raw), "signature": ["00" * 65]})

    assert read_back.raw == raw
    assert read_back.signatures == (bytes(65),)


def test_txid_agrees_with_tronpy_offline() -> None:
    assert calculate_txid_from_raw_data(wire.raw_to_json(nile_raw())) == NILE_TXID


def test_default_values_do_not_change_the_txid() -> None:
    document = wire.raw_to_json(nile_raw())
    document["contract"][0]["parameter"]["value"] |= {"call_value": 0, "call_token_value": 0, "token_id": 0}

    assert wire.from_json({"raw_data": document}).txid.hex() == NILE_TXID


@pytest.mark.parametrize(
    "document",
    [
        {}, [], None, {"raw_data": 1}, {"raw_data": {}}, {"raw_data": {"contract": []}},
        {"raw_data": {"contract": [1]}},
        {"raw_data": {"contract": [{"type": "VoteWitnessContract", "parameter": {}}]}},
        {"raw_data": {"contract": [{"type": "TransferContract", "parameter": {"value": {"amount": 2**63}}}]}},
        {"raw_data": {"contract": [{"type": "TransferContract", "parameter": {"value": {"owner_address": "41zz"}}}]}},
        {"raw_data": {"contract": [{"type": "TransferContract", "parameter": {"value": []}}]}},
        {"raw_data": {"ref_block_bytes": 5, "contract": [{"type": "TransferContract", "parameter": {"value": {}}}]}},
        {"raw_data": {"contract": [{"type": [], "parameter": {"value": {}}}]}},
        {"raw_data": {}, "signature": 5},
    ],
)  # fmt: skip
def test_unreadable_json_is_malformed(document: object) -> None:
    with pytest.raises(Malformed):
        wire.from_json(document)


@pytest.mark.parametrize("signed", [b"\xff\xff", b"", bytes.fromhex("0a00")])
def test_unreadable_bytes_are_malformed(signed: bytes) -> None:
    with pytest.raises(Malformed):
        wire.read_signed(signed)

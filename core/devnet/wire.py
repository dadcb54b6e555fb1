"""Transactions as protobuf: built, read, turned to JSON and back; the txid comes from here and from nowhere else.

Two contract types exist on the devnet: TransferContract (TRX) and TriggerSmartContract. Others are refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from tronpy.proto import tron_pb2

from core.devnet.keys import ADDRESS_BYTES, PREFIX, from_base58

Json = dict[str, Any]
TRANSFER, TRIGGER = 1, 31  # Transaction.Contract.ContractType
TYPE_URL = "type.googleapis.com/protocol."
NAMES = {TRANSFER: "TransferContract", TRIGGER: "TriggerSmartContract"}
CLASSES = {TRANSFER: tron_pb2.TransferContract, TRIGGER: tron_pb2.TriggerSmartContract}
INT64_MAX = 2**63 - 1


class Malformed(ValueError):
    """The bytes or the JSON describe no transaction the devnet knows."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One signed (or not yet signed) transaction, read once.

    `amount_sun` is the TRX transferred or the call value; `data` is a call's input. Times are milliseconds.
    """

    raw: bytes
    signatures: tuple[bytes, ...]
    txid: bytes
    kind: int
    owner: bytes
    target: bytes
    amount_sun: int
    data: bytes
    ref_block_bytes: bytes
    ref_block_hash: bytes
    expiration_ms: int
    fee_limit_sun: int
    memo: bytes
    permission_id: int

    def to_bytes(self) -> bytes:
        """Serialize the whole message, signatures included."""
        message = tron_pb2.Transaction(signature=self.signatures)
        message.raw_data.MergeFromString(self.raw)
        return bytes(message.SerializeToString())

    @property
    def size(self) -> int:
        """Return the length of the serialized message in bytes."""
        return len(self.to_bytes())


@dataclass(frozen=True, slots=True)
class Terms:
    """What a transaction of any kind needs beside its act. Times are milliseconds."""

    ref_block_id: bytes
    expiration_ms: int
    timestamp_ms: int
    fee_limit_sun: int = 0
    memo: bytes = b""
    permission_id: int = 0


def txid_of(raw: bytes) -> bytes:
    """Return the id of a serialized raw transaction."""
    return hashlib.sha256(raw).digest()


def build_transfer(*, owner: bytes, to: bytes, amount_sun: int, terms: Terms) -> bytes:
    """Serialize the raw data of a TRX transfer."""
    act = tron_pb2.TransferContract(owner_address=owner, to_address=to, amount=amount_sun)
    return _build(TRANSFER, act, terms)


def build_trigger(*, owner: bytes, contract: bytes, data: bytes, terms: Terms) -> bytes:
    """Serialize the raw data of a contract call."""
    act = tron_pb2.TriggerSmartContract(owner_address=owner, contract_address=contract, data=data)
    return _build(TRIGGER, act, terms)


def read(raw: bytes, signatures: tuple[bytes, ...] = ()) -> Transaction:
    """Read serialized raw data; raises Malformed."""
    try:
        message = tron_pb2.Transaction.raw.FromString(raw)
        if len(message.contract) != 1:
            raise Malformed("act size should be exactly 1, this is extend feature")
        contract = message.contract[0]
        act = CLASSES[contract.type].FromString(contract.parameter.value)
    except DecodeError as err:
        raise Malformed("not a protobuf message") from err
    except KeyError as err:
        raise Malformed("the devnet knows only TransferContract and TriggerSmartContract") from err
    return _transaction(raw, signatures, message, act)


def read_signed(signed: bytes) -> Transaction:
    """Read a whole serialized Transaction message; raises Malformed."""
    try:
        message = tron_pb2.Transaction.FromString(signed)
    except DecodeError as err:
        raise Malformed("not a protobuf message") from err
    return read(bytes(message.raw_data.SerializeToString()), tuple(message.signature))


def from_json(document: object) -> Transaction:
    """Read a transaction as `broadcasttransaction` gets it: `raw_data` counts, `txID` and `raw_data_hex` do not.

    Addresses may be hex or base58. Raises Malformed.
    """
    try:
        raw_data, signatures = _pick(document)
        entry = raw_data["contract"][0]
        kind = {name: number for number, name in NAMES.items()}[entry["type"]]
        raw = _raw_from_json(raw_data, entry, kind)
        return read(raw.SerializeToString(), tuple(bytes.fromhex(text) for text in signatures))
    except Malformed:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as err:
        raise Malformed(f"{type(err).__name__}: {err}") from err


def raw_to_json(raw: bytes) -> Json:
    """Show serialized raw data in the node's JSON, hex addresses, default values left out."""
    message = tron_pb2.Transaction.raw.FromString(raw)
    contract = message.contract[0]
    act = CLASSES[contract.type].FromString(contract.parameter.value)
    entry: Json = {
        "parameter": {"value": _fields(act), "type_url": contract.parameter.type_url},
        "type": NAMES[contract.type],
    }
    if contract.Permission_id:
        entry["Permission_id"] = contract.Permission_id
    shown = _fields(message)
    shown["contract"] = [entry]
    return shown


def parse_address(value: object) -> bytes:
    """Read a hex or base58 address into 21 raw bytes; raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("not an address")
    if value.startswith("T"):
        return from_base58(value)
    address = bytes.fromhex(value)
    if len(address) != ADDRESS_BYTES or address[:1] != PREFIX:
        raise ValueError("not a TRON address")
    return address


def _build(kind: int, act: Any, terms: Terms) -> bytes:
    raw = tron_pb2.Transaction.raw(
        ref_block_bytes=terms.ref_block_id[6:8],
        ref_block_hash=terms.ref_block_id[8:16],
        expiration=terms.expiration_ms,
        timestamp=terms.timestamp_ms,
        fee_limit=terms.fee_limit_sun,
        data=terms.memo,
    )
    contract = raw.contract.add(type=kind, Permission_id=terms.permission_id)
    contract.parameter.type_url = TYPE_URL + NAMES[kind]
    contract.parameter.value = act.SerializeToString()
    return bytes(raw.SerializeToString())


def _transaction(raw: bytes, signatures: tuple[bytes, ...], message: Any, act: Any) -> Transaction:
    kind = message.contract[0].type
    is_transfer = kind == TRANSFER
    return Transaction(
        raw=raw,
        signatures=signatures,
        txid=txid_of(raw),
        kind=kind,
        owner=act.owner_address,
        target=act.to_address if is_transfer else act.contract_address,
        amount_sun=act.amount if is_transfer else act.call_value,
        data=b"" if is_transfer else act.data,
        ref_block_bytes=message.ref_block_bytes,
        ref_block_hash=message.ref_block_hash,
        expiration_ms=message.expiration,
        fee_limit_sun=message.fee_limit,
        memo=message.data,
        permission_id=message.contract[0].Permission_id,
    )


def _pick(document: object) -> tuple[Json, list[str]]:
    if not isinstance(document, dict) or not isinstance(document.get("raw_data"), dict):
        raise Malformed("raw_data is missing")
    signatures = document.get("signature") or []
    if not isinstance(signatures, list):
        raise Malformed("signature is not a list")
    return document["raw_data"], signatures


def _raw_from_json(raw_data: Json, entry: Json, kind: int) -> Any:
    raw = tron_pb2.Transaction.raw(
        ref_block_bytes=bytes.fromhex(raw_data.get("ref_block_bytes") or ""),
        ref_block_hash=bytes.fromhex(raw_data.get("ref_block_hash") or ""),
        ref_block_num=raw_data.get("ref_block_num") or 0,
        expiration=raw_data.get("expiration") or 0,
        timestamp=raw_data.get("timestamp") or 0,
        fee_limit=raw_data.get("fee_limit") or 0,
        data=bytes.fromhex(raw_data.get("data") or ""),
        scripts=bytes.fromhex(raw_data.get("scripts") or ""),
    )
    contract = raw.contract.add(type=kind, Permission_id=entry.get("Permission_id") or 0)
    contract.parameter.type_url = entry["parameter"].get("type_url") or TYPE_URL + NAMES[kind]
    contract.parameter.value = _act_from_json(entry["parameter"]["value"], kind).SerializeToString()
    return raw


def _act_from_json(value: Json, kind: int) -> Any:
    fields: Json = {}
    for field in CLASSES[kind].DESCRIPTOR.fields:
        given = value.get(field.name)
        if given is None:
            continue
        if field.name.endswith("_address"):
            fields[field.name] = parse_address(given)
        else:
            fields[field.name] = bytes.fromhex(given) if field.type == field.TYPE_BYTES else given
    return CLASSES[kind](**fields)


def _fields(message: Any) -> Json:
    """List the scalar fields that are set: bytes as hex, int64 as numbers."""
    return {
        field.name: value.hex() if isinstance(value, bytes) else value
        for field, value in message.ListFields()
        if field.message_type is None
    }

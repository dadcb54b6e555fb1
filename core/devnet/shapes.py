"""The node's JSON: blocks, transactions, receipts, as proto3 prints them (default values left out).

Addresses are hex, except with `visible`, which makes them base58. A log's address is 20 bytes without the 41.
Source: spec tron.md, section 3.
"""

from __future__ import annotations

import hashlib

from core.devnet import blocks, keys, wire
from core.devnet.blocks import Header
from core.devnet.contracts import Log, Result
from core.devnet.execution import MESSAGES, Receipt
from core.devnet.keys import KeyRing
from core.devnet.store import Record
from core.devnet.wire import Json


def contract_ret(receipt: Receipt) -> str:
    """Return the word a block shows beside the transaction."""
    return str(receipt.result or Result.SUCCESS)


def transaction_info(txid: bytes, receipt: Receipt, header: Header) -> Json:
    """Describe what a transaction did, in the form of gettransactioninfobyid, addresses in hex."""
    info = _present({
        "id": txid.hex(),
        "fee": receipt.fee_sun,
        "blockNumber": header.height,
        "blockTimeStamp": header.timestamp_ms,
        "contractResult": [receipt.output.hex()],
        "contract_address": receipt.contract.hex() if receipt.contract else "",
        "receipt": _receipt(receipt),
        "log": [_log(log) for log in receipt.logs],
    })
    if receipt.result not in (None, Result.SUCCESS):
        info["result"] = "FAILED"
        info["resMessage"] = MESSAGES[receipt.result].encode().hex()
    return info


def visible_info(info: Json) -> Json:
    """Show a TransactionInfo's addresses in base58."""
    shown = dict(info)
    if "contract_address" in info:
        shown["contract_address"] = address(bytes.fromhex(info["contract_address"]), visible=True)
    if "log" in info:
        shown["log"] = [
            log | {"address": address(keys.PREFIX + bytes.fromhex(log["address"]), visible=True)} for log in info["log"]
        ]
    return shown


def block(header: Header, records: list[Record] | None, *, ring: KeyRing, visible: bool) -> Json:
    """Describe a block; records None leaves the transactions out (detail: false)."""
    witness_address = ring.witness_address(header.witness)
    digest = hashlib.sha256(blocks.header_bytes(header, witness_address)).digest()
    raw_data = _present({
        "number": header.height,
        "txTrieRoot": header.trie_root.hex(),
        "witness_address": address(witness_address, visible=visible),
        "parentHash": header.parent_id.hex(),
        "version": blocks.BLOCK_VERSION if header.height else 0,
        "timestamp": header.timestamp_ms,
    })
    shown: Json = {"blockID": header.block_id.hex(), "block_header": {"raw_data": raw_data}}
    if header.height:
        signature = ring.witness_signature(index=header.witness, digest=digest)
        shown["block_header"]["witness_signature"] = signature.hex()
    if records:
        shown["transactions"] = [transaction(record, visible=visible) for record in records]
    return shown


def transaction(record: Record, *, visible: bool) -> Json:
    """Describe a transaction of the chain."""
    shown = unmined_transaction(wire.read_signed(record.signed), visible=visible)
    return {"ret": [{"contractRet": record.contract_ret}], **shown}


def unmined_transaction(tx: wire.Transaction, *, visible: bool) -> Json:
    """Describe a transaction that is in no block."""
    raw_data = wire.raw_to_json(tx.raw)
    if visible:
        value = raw_data["contract"][0]["parameter"]["value"]
        for name in value:
            if name.endswith("_address"):
                value[name] = address(bytes.fromhex(value[name]), visible=True)
    shown: Json = {"signature": [signature.hex() for signature in tx.signatures]} if tx.signatures else {}
    return shown | {"txID": tx.txid.hex(), "raw_data": raw_data, "raw_data_hex": tx.raw.hex()}


def address(raw: bytes, *, visible: bool) -> str:
    """Write an address the way the caller asked for."""
    return keys.to_base58(raw) if visible else raw.hex()


def message(text: str, *, visible: bool) -> str:
    """Write a message the way the node does: hex, or text if visible."""
    return text if visible else text.encode().hex()


def log_entry(log: Log, *, visible: bool) -> Json:
    """Describe one log of a simulated call."""
    entry = _log(log)
    return entry | {"address": keys.to_base58(log.address)} if visible else entry


def _receipt(receipt: Receipt) -> Json:
    return _present({
        "energy_usage": receipt.energy_usage,
        "energy_fee": receipt.energy_fee_sun,
        "energy_usage_total": receipt.energy,
        "net_usage": receipt.net_usage,
        "net_fee": receipt.net_fee_sun,
        "result": str(receipt.result or ""),
        "energy_penalty_total": receipt.energy_penalty,
    })


def _log(log: Log) -> Json:
    return _present({
        "address": log.address[1:].hex(),
        "topics": [topic.hex() for topic in log.topics],
        "data": log.data.hex(),
    })


def _present(fields: Json) -> Json:
    """Leave out what proto3 leaves out."""
    return {name: value for name, value in fields.items() if value not in (0, "", [], None)}

"""Receipts in the words of the node's JSON-RPC: logs with their place in the block, and a status."""

from __future__ import annotations

from core.devnet import wire
from core.devnet.blocks import Header
from core.devnet.store import Record
from core.devnet.view import View
from core.devnet.wire import Json

NO_BLOOM = "0x" + "00" * 256  # the node fills in nothing else


def logs_of_block(view: View, height: int) -> list[Json]:
    """List all logs of a block, failed transactions' too; logIndex counts through the block."""
    header = view.header(height)
    if header is None:
        return []
    logs: list[Json] = []
    for record in view.transactions(height):
        for log in record.info.get("log", []):
            logs.append({
                "address": "0x" + log.get("address", ""),
                "topics": ["0x" + topic for topic in log.get("topics", [])],
                "data": "0x" + log.get("data", ""),
                **_place(header, record),
                "logIndex": hex(len(logs)),
                "removed": False,
            })
    return logs


def receipts_of_block(view: View, height: int, *, price_sun: int) -> list[Json] | None:
    """List the receipts of a block; None for one out of sight. price_sun: of energy, where no fee tells it."""
    header = view.header(height)
    if header is None:
        return None
    logs, used, receipts = logs_of_block(view, height), 0, []
    for record in view.transactions(height):
        used += record.info.get("receipt", {}).get("energy_usage_total", 0)
        receipts.append(_receipt(header, record, logs, used=used, price_sun=price_sun))
    return receipts


def _receipt(header: Header, record: Record, logs: list[Json], *, used: int, price_sun: int) -> Json:
    tx, info = wire.read_signed(record.signed), record.info.get("receipt", {})
    place = _place(header, record)
    bought = info.get("energy_usage_total", 0) - info.get("energy_usage", 0)
    return {
        **place,
        "from": "0x" + tx.owner[1:].hex(),
        "to": "0x" + tx.target[1:].hex(),
        "cumulativeGasUsed": hex(used),
        "gasUsed": hex(info.get("energy_usage_total", 0)),
        "effectiveGasPrice": hex(info.get("energy_fee", 0) // bought if bought else price_sun),
        "contractAddress": None,
        "logs": [log for log in logs if log["transactionHash"] == place["transactionHash"]],
        "logsBloom": NO_BLOOM,
        "status": "0x0" if "result" in record.info else "0x1",
        "type": "0x0",
    }


def _place(header: Header, record: Record) -> Json:
    return {
        "blockHash": "0x" + header.block_id.hex(),
        "blockNumber": hex(header.height),
        "transactionHash": "0x" + record.txid.hex(),
        "transactionIndex": hex(record.position),
    }

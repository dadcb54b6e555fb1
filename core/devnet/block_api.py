"""The node calls that read blocks, transactions and heights; nothing here changes the chain.

A thing the view does not hold is `{}` or `[]`, never an error (spec tron.md, sections 2 and 3).
"""

from __future__ import annotations

from core.devnet import shapes
from core.devnet.blocks import Header
from core.devnet.node_request import Answer, NodeFault, NodeRequest
from core.devnet.store import Record
from core.devnet.wire import Json

RANGE_LIMIT = 100  # getblockbylimitnext, blocks per call
ID_HEX = 64


def get_now_block(request: NodeRequest) -> Answer:
    """Answer with the newest block."""
    return _block(request, request.view.top())


def get_block_by_num(request: NodeRequest) -> Answer:
    """Answer with the block of a height."""
    return _block(request, request.view.header(request.number("num")))


def get_block_by_id(request: NodeRequest) -> Answer:
    """Answer with the block of an id."""
    return _block(request, request.view.header_by_id(request.bytes_of("value")))


def get_block(request: NodeRequest) -> Answer:
    """Answer with a block by height or id, the newest by default; without transactions unless `detail`."""
    wanted = request.text("id_or_num")
    detail = str(request.params.get("detail", "")).lower() == "true"
    if not wanted:
        header: Header | None = request.view.top()
    elif len(wanted) == ID_HEX:
        header = request.view.header_by_id(_hex(wanted))
    else:
        header = request.view.header(request.number("id_or_num"))
    return _block(request, header, detail=detail)


def get_block_by_limit_next(request: NodeRequest) -> Answer:
    """Answer with the blocks from startNum up to, not including, endNum."""
    start, end = request.number("startNum"), request.number("endNum")
    if not 0 <= start < end or end - start > RANGE_LIMIT:
        return {}
    found = [_block(request, header) for height in range(start, end) if (header := request.view.header(height))]
    return {"block": found} if found else {}


def get_transaction_by_id(request: NodeRequest) -> Answer:
    """Answer with a transaction of the chain."""
    record = request.view.transaction(request.bytes_of("value"))
    return {} if record is None else shapes.transaction(record, visible=request.visible)


def get_transaction_info_by_id(request: NodeRequest) -> Answer:
    """Answer with what a transaction did."""
    record = request.view.transaction(request.bytes_of("value"))
    return {} if record is None else _info(request, record)


def get_transaction_info_by_block_num(request: NodeRequest) -> Answer:
    """Answer with what a block's transactions did: [] if it is empty or unknown, {} for no height at all."""
    height = request.number("num")
    if height <= 0:
        return {}
    return [_info(request, record) for record in request.view.transactions(height)]


def get_transaction_count_by_block_num(request: NodeRequest) -> Answer:
    """Answer with the number of transactions in a block, 0 for an unknown one."""
    return {"count": request.view.count(request.number("num"))}


def get_node_info(request: NodeRequest) -> Answer:
    """Answer with both heights and a little about the node."""
    solid = request.sight(solid=True).top()
    return {
        "beginSyncNum": solid.height,
        "block": _mark(request.sight(solid=False).top()),
        "solidityBlock": _mark(solid),
        "currentConnectCount": 0,
        "activeConnectCount": 0,
        "passiveConnectCount": 0,
        "totalFlow": 0,
        "peerList": [],
        "configNodeInfo": {"codeVersion": "4.8.1", "p2pVersion": "11111", "listenPort": 0, "discoverEnable": False},
        "machineInfo": {"threadCount": 1, "cpuCount": 1, "javaVersion": "devnet"},
        "cheatWitnessInfoMap": {},
    }


def list_witnesses(request: NodeRequest) -> Answer:
    """Answer with who makes blocks, and how far each has come."""
    chain = request.chain
    latest = chain.schedule.latest()
    return {"witnesses": [
        {"address": shapes.address(chain.ring.witness_address(number), visible=request.visible), "voteCount": 1,
         "url": f"witness-{number}", **({"latestBlockNum": latest[number]} if latest[number] else {}), "isJobs": True}
        for number in range(chain.schedule.count)
    ]}


def _block(request: NodeRequest, header: Header | None, *, detail: bool = True) -> Json:
    if header is None:
        return {}
    records = request.view.transactions(header.height) if detail else None
    return shapes.block(header, records, ring=request.chain.ring, visible=request.visible)


def _info(request: NodeRequest, record: Record) -> Json:
    return shapes.visible_info(record.info) if request.visible else record.info


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as err:
        raise NodeFault("class java.lang.IllegalArgumentException : id_or_num illegal") from err


def _mark(header: Header) -> str:
    return f"Num:{header.height},ID:{header.block_id.hex()}"

"""The node's JSON-RPC: chain id, height, and eth_getLogs with its limits, which lists failed transactions' logs too."""

from __future__ import annotations

from typing import Any

from core.devnet.ledger import Chain
from core.devnet.lies import HONEST, Outlook
from core.devnet.view import View
from core.devnet.wire import Json

MAX_RANGE, MAX_LOGS, MAX_CHOICES, MAX_TOPICS = 5_000, 10_000, 1_000, 4


class RpcError(Exception):
    """An error with a JSON-RPC code."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


def answer(chain: Chain, call: Any, *, outlook: Outlook = HONEST) -> Json:
    """Answer one JSON-RPC call; errors are answers too."""
    number = call.get("id") if isinstance(call, dict) else None
    try:
        if not isinstance(call, dict) or not isinstance(call.get("params", []), list):
            raise RpcError(-32600, "invalid request")
        with chain.lock:
            result = _call(chain, str(call.get("method")), call.get("params", []), outlook)
    except RpcError as err:
        return {"jsonrpc": "2.0", "id": number, "error": {"code": err.code, "message": str(err)}}
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _call(chain: Chain, method: str, params: list[Any], outlook: Outlook) -> Any:
    view = chain.view(solid=False, lag=outlook.lag, lies=outlook.lies)
    if method == "eth_chainId":
        return "0x" + chain.genesis_id[-8:]
    if method == "net_version":
        return "0x" + chain.genesis_id[-8:]
    if method == "eth_blockNumber":
        return hex(view.ceiling)
    if method == "eth_getLogs":
        wanted = params[0] if params else None
        if not isinstance(wanted, dict):
            raise RpcError(-32602, "invalid argument 0: expected a filter")
        return _logs(chain, view, wanted, solid=chain.view(solid=True, lag=outlook.lag).ceiling)
    raise RpcError(-32601, f"the method {method} does not exist/is not available")


def _logs(chain: Chain, view: View, wanted: Json, *, solid: int) -> list[Json]:
    first = _height(wanted.get("fromBlock", "latest"), view, solid)
    last = min(_height(wanted.get("toBlock", "latest"), view, solid), view.ceiling)
    if last - first > MAX_RANGE:
        raise RpcError(-32602, f"exceed max block range: {MAX_RANGE}")
    addresses = _choices(wanted.get("address"))
    topics = [_choices(topic) for topic in wanted.get("topics", [])]
    if len(topics) > MAX_TOPICS:
        raise RpcError(-32602, "topics size should be <= 4")
    found: list[Json] = []
    for height in range(max(first, 0, chain.logs_from), last + 1):
        found += [log for log in _block_logs(view, height) if _fits(log, addresses, topics)]
        if len(found) > MAX_LOGS:
            raise RpcError(-32005, f"query returned more than {MAX_LOGS} results")
    return found


def _block_logs(view: View, height: int) -> list[Json]:
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
                "blockHash": "0x" + header.block_id.hex(),
                "blockNumber": hex(height),
                "transactionHash": "0x" + record.txid.hex(),
                "transactionIndex": hex(record.position),
                "logIndex": hex(len(logs)),
                "removed": False,
            })
    return logs


def _fits(log: Json, addresses: set[str] | None, topics: list[set[str] | None]) -> bool:
    if addresses is not None and log["address"] not in addresses:
        return False
    if len(log["topics"]) < len(topics):
        return False
    return all(choice is None or topic in choice for topic, choice in zip(log["topics"], topics, strict=False))


def _choices(given: Any) -> set[str] | None:
    if given is None:
        return None
    choices = [given] if isinstance(given, str) else given
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise RpcError(-32602, "invalid topics or address")
    if len(choices) > MAX_CHOICES:
        raise RpcError(-32602, f"exceed max addresses or sub topics: {MAX_CHOICES}")
    return {choice.lower() for choice in choices}


def _height(tag: Any, view: View, solid: int) -> int:
    named = {"latest": view.ceiling, "pending": view.ceiling, "finalized": solid, "earliest": 0}
    if tag in named:
        return named[tag]
    try:
        return int(str(tag), 16)
    except ValueError as err:
        raise RpcError(-32602, "invalid block number") from err

"""The node's JSON-RPC: chain id, height, receipts, calls, and eth_getLogs with its limits and failed calls' logs."""

from __future__ import annotations

from typing import Any

from core.devnet import energy
from core.devnet.contracts import Result
from core.devnet.execution import MESSAGES
from core.devnet.keys import PREFIX
from core.devnet.ledger import Chain
from core.devnet.lies import HONEST, Outlook
from core.devnet.receipts import logs_of_block, receipts_of_block
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
    solid = chain.view(solid=True, lag=outlook.lag).ceiling
    first = params[0] if params else None
    if method in ("eth_chainId", "net_version"):
        return "0x" + chain.genesis_id[-8:]
    if method == "eth_blockNumber":
        return hex(view.ceiling)
    if method == "eth_getLogs":
        return _logs(chain, view, _object(first), solid=solid)
    if method == "eth_getTransactionReceipt":
        return _receipt(chain, view, _bytes(first))
    if method == "eth_getBlockReceipts":
        return receipts_of_block(view, _height(first, view, solid), price_sun=_price(chain, view))
    if method == "eth_call":
        return _constant(chain, view, _object(first), params[1] if len(params) > 1 else "latest")
    raise RpcError(-32601, f"the method {method} does not exist/is not available")


def _receipt(chain: Chain, view: View, txid: bytes) -> Json | None:
    record = view.transaction(txid)
    if record is None:
        return None
    receipts = receipts_of_block(view, record.height, price_sun=_price(chain, view)) or []
    return receipts[record.position] if record.position < len(receipts) else None


def _constant(chain: Chain, view: View, call: Json, block: Any) -> str:
    if block != "latest":
        raise RpcError(-32602, "QUANTITY not supported, just support TAG as latest")
    contract = chain.machine.contracts.get(PREFIX + _bytes(call.get("to")))
    if contract is None:
        return "0x"
    caller = PREFIX + _bytes(call.get("from", "0x" + "00" * 20))
    outcome = chain.machine.simulate(
        state=view.state, contract=contract, caller=caller, data=_bytes(call.get("data", "0x")), value_sun=0
    )
    if outcome.result is not Result.SUCCESS:
        raise RpcError(-32000, MESSAGES[outcome.result])
    return "0x" + outcome.output.hex()


def _price(chain: Chain, view: View) -> int:
    return energy.price_sun(view.state, chain.rules)


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
        found += [log for log in logs_of_block(view, height) if _fits(log, addresses, topics)]
        if len(found) > MAX_LOGS:
            raise RpcError(-32005, f"query returned more than {MAX_LOGS} results")
    return found


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


def _object(given: Any) -> Json:
    if not isinstance(given, dict):
        raise RpcError(-32602, "invalid argument 0: expected an object")
    return given


def _bytes(given: Any) -> bytes:
    try:
        return bytes.fromhex(str(given).removeprefix("0x"))
    except ValueError as err:
        raise RpcError(-32602, "invalid hex") from err


def _height(tag: Any, view: View, solid: int) -> int:
    named = {"latest": view.ceiling, "pending": view.ceiling, "finalized": solid, "earliest": 0}
    if tag in named:
        return named[tag]
    try:
        return int(str(tag), 16)
    except ValueError as err:
        raise RpcError(-32602, "invalid block number") from err

"""JSON-RPC's eth_getLogs: an index beside the block scan, for checking it and for finding money early; pure text.

It is never the only truth: an index enabled late lacks older logs without a word, and logs of failed transactions are
in it (TRON facts, section 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import DecodeError, Struct, field
from msgspec.json import Decoder

from core.chain.addresses import TronAddress
from core.chain.decode import TRANSFER_TOPIC
from core.chain.failures import FailureKind, NodeFailure, failure_of_decoding

MAX_RANGE = 5_000  # blocks in one question
MAX_TOPICS = 1_000  # addresses in one question
TOO_MANY = -32005  # more than 10,000 logs would be the answer
NO_SUCH_METHOD = -32601


class LoggedTransfer(Struct, frozen=True, gc=False):
    """One Transfer log as the index knows it; `block_index` counts all logs of its block."""

    height: int
    txid: str
    block_index: int
    sender20: bytes
    to20: bytes
    units: int


class _Log(Struct, frozen=True, gc=False):
    block: str = field(name="blockNumber")
    txid: str = field(name="transactionHash")
    index: str = field(name="logIndex")
    topics: list[str]
    data: str = "0x"


class _Trouble(Struct, frozen=True, gc=False):
    code: int = 0
    message: str = ""


class _Answer(Struct, frozen=True, gc=False):
    result: list[_Log] | None = None
    error: _Trouble | None = None


_answer = Decoder(_Answer)


def question(contract: TronAddress, to: Sequence[bytes] | None, first: int, last: int) -> dict[str, object]:
    """Write the question for one range of heights, both included."""
    topics: list[object] = ["0x" + TRANSFER_TOPIC]
    if to is not None:
        topics += [None, ["0x" + raw20.hex().rjust(64, "0") for raw20 in to]]
    wanted = {
        "fromBlock": hex(first), "toBlock": hex(last), "address": "0x" + contract.raw20.hex(), "topics": topics,
    }
    return {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [wanted]}


def chunks(to: Sequence[bytes] | None) -> Iterator[Sequence[bytes] | None]:
    """Cut a list of addresses into what one question can hold; None, everybody, is one question."""
    if to is None:
        yield None
        return
    for start in range(0, len(to), MAX_TOPICS):
        yield to[start : start + MAX_TOPICS]


def read_logs(body: bytes) -> list[LoggedTransfer]:
    """Read an answer; logs of another shape than a Transfer's are left out. Raises NodeFailure."""
    try:
        answer = _answer.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise failure_of_decoding(err) from err
    if answer.error is not None or answer.result is None:
        raise _failure(answer.error or _Trouble())
    try:
        return [_transfer(log) for log in answer.result if len(log.topics) == 3 and len(log.data) == 66]
    except ValueError as err:
        raise NodeFailure(FailureKind.WRONG_SHAPE, detail="eth_getLogs") from err


def _failure(trouble: _Trouble) -> NodeFailure:
    kinds = {TOO_MANY: FailureKind.TOO_MANY_LOGS, NO_SUCH_METHOD: FailureKind.DISABLED}
    return NodeFailure(kinds.get(trouble.code, FailureKind.NODE_ERROR), detail=trouble.message)


def _transfer(log: _Log) -> LoggedTransfer:
    return LoggedTransfer(
        height=int(log.block, 16),
        txid=log.txid.lower().removeprefix("0x"),
        block_index=int(log.index, 16),
        sender20=bytes.fromhex(log.topics[1][-40:]),
        to20=bytes.fromhex(log.topics[2][-40:]),
        units=int(log.data, 16),
    )

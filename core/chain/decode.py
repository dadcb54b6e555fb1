"""Read the node's answers into typed values and find Transfer logs in them: pure, no I/O, no clock, no database.

Money is read from logs only, never from calldata or return values: USDT's transfer() returns false on success.
This room refuses to judge amounts or recipients; which contract and which addresses count is the scanner's business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.json import Decoder, encode

from core.errors import NodeUnavailable

TRANSFER_TOPIC = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
EMPTY_TRIE_ROOT = "0" * 64
SUCCESS = "SUCCESS"
_HEX64 = re.compile(r"[0-9a-fA-F]{64}")
_HEX40 = re.compile(r"[0-9a-fA-F]{40}")


class BlockInconsistent(NodeUnavailable):
    """The parts of one block contradict each other: answers of different views or forks; discard and read again."""

    code = "block_inconsistent"
    sentence = "The TRON node gave contradicting answers about a block."


class Receipt(Struct, frozen=True, gc=False):
    """The part of a receipt that decides: absent for what is not a contract call, SUCCESS, or a failure's name."""

    result: str | UnsetType = UNSET


class Log(Struct, frozen=True, gc=False):
    """One event log as sent: `address` is 40 hex digits without the 41, `topics` and `data` bare hex.

    Its lists are tuples, which the garbage collector lets go of: with lists, walking them took a third of a scan.
    """

    address: str = ""
    topics: tuple[str, ...] = ()
    data: str = ""


class TransactionInfo(Struct, frozen=True, gc=False, rename={
    "block_number": "blockNumber", "block_time_ms": "blockTimeStamp",
}):
    """What a block says about one transaction; the node omits every field that has its default value."""

    id: str
    block_number: int = 0
    block_time_ms: int = 0
    receipt: Receipt = Receipt()
    result: str | UnsetType = UNSET
    log: tuple[Log, ...] = ()

    @property
    def has_succeeded(self) -> bool:
        """Tell success by the receipt and by the absence of a top-level result; a failed one can still carry logs."""
        return self.receipt.result == SUCCESS and self.result is UNSET


class BlockHeader(Struct, frozen=True, gc=False):
    """A block without its transactions; `time_ms` is chain time in milliseconds since the epoch."""

    height: int
    block_id: str
    parent_hash: str
    time_ms: int
    tx_trie_root: str

    @property
    def proves_empty(self) -> bool:
        """Tell whether the block holds no transaction; only this turns an empty answer into an empty block."""
        return self.tx_trie_root == EMPTY_TRIE_ROOT


class TransferLog(Struct, frozen=True, gc=False):
    """One Transfer-shaped log of any contract.

    log_index counts within its own transaction, so it never moves; block_index counts all logs of the block.
    """

    txid: str
    log_index: int
    block_index: int
    contract20: bytes
    sender20: bytes
    to20: bytes
    units: int
    succeeded: bool


class TokenKind(StrEnum):
    """Whose Transfer it is: the configured USDT contract's, or somebody else's that looks the same."""

    USDT = "usdt"
    FAKE = "fake"


class _RawHeader(Struct, frozen=True, gc=False):
    number: int = 0
    timestamp: int = 0
    tx_trie_root: str = field(default="", name="txTrieRoot")
    parent_hash: str = field(default="", name="parentHash")


class _SignedHeader(Struct, frozen=True, gc=False):
    raw_data: _RawHeader


class _Block(Struct, frozen=True, gc=False):
    block_id: str | UnsetType = field(default=UNSET, name="blockID")
    block_header: _SignedHeader | UnsetType = UNSET


class _Contract(Struct, frozen=True, gc=False):
    contract_address: str | UnsetType = UNSET


class _CallResult(Struct, frozen=True, gc=False):
    result: bool = False
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class _Ret(Struct, frozen=True, gc=False):
    ret: str = ""


class _Called(Struct, frozen=True, gc=False):
    ret: list[_Ret] = []


class _Constant(Struct, frozen=True, gc=False):
    result: _CallResult = _CallResult()
    constant_result: list[str] = []
    transaction: _Called = _Called()


class _Trouble(Struct, frozen=True, gc=False):
    error: Raw | UnsetType = field(default=UNSET, name="Error")


_info = Decoder(TransactionInfo)
_infos = Decoder(list[TransactionInfo])
_block = Decoder(_Block)
_contract = Decoder(_Contract)
_constant = Decoder(_Constant)
_trouble = Decoder(_Trouble)


def read_infos(body: bytes) -> list[TransactionInfo]:
    """Read an answer of gettransactioninfobyblocknum; `[]` means an empty block or one this node does not know.

    Raises msgspec.DecodeError (ValidationError where JSON has another shape), UnicodeDecodeError, RecursionError.
    """
    return _infos.decode(body)


def read_info(body: bytes) -> TransactionInfo | None:
    """Read an answer of gettransactioninfobyid; `{}`, a transaction unknown to this node, is None.

    Raises as read_infos does.
    """
    return None if body.strip() == b"{}" else _info.decode(body)


def read_header(body: bytes) -> BlockHeader | None:
    """Read a block answer's header, transactions skipped; `{}`, a block unknown to this node, is None.

    Raises as read_infos does, and BlockInconsistent where the block id does not begin with the height.
    """
    block = _block.decode(body)
    if block.block_id is UNSET and block.block_header is UNSET:
        return None
    if block.block_id is UNSET or block.block_header is UNSET:
        raise BlockInconsistent("The TRON node answered half a block.")
    raw = block.block_header.raw_data
    if not _is_id_of(block.block_id, raw.number):
        raise BlockInconsistent(f"The TRON node gave block {raw.number} an id that is not its own.")
    return BlockHeader(
        height=raw.number, block_id=block.block_id.lower(), parent_hash=raw.parent_hash.lower(),
        time_ms=raw.timestamp, tx_trie_root=raw.tx_trie_root.lower(),
    )


def read_contract(body: bytes) -> str | None:
    """Read a contract answer's own address (41 and 40 hex digits); `{}` is None. Raises as read_infos does."""
    address = _contract.decode(body).contract_address
    return None if address is UNSET else address.lower()


def read_constant(body: bytes) -> bytes | None:
    """Read the result of a constant call; None unless nothing speaks against it. Raises as read_infos does.

    A revert has `result.result` true all the same; a code, a message or a FAILED in the transaction tells it.
    """
    answer = _constant.decode(body)
    said = (answer.result.code, answer.result.message)
    failed = any(ret.ret == "FAILED" for ret in answer.transaction.ret)
    if not answer.result.result or failed or said != (UNSET, UNSET) or not answer.constant_result:
        return None
    word = answer.constant_result[0]
    return bytes.fromhex(word) if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", word) else None


def read_error(body: bytes) -> str | None:
    """Return what an answer says under "Error", if it is an object that has that key. Raises as read_infos does."""
    if not body.lstrip()[:1] == b"{":
        return None
    error = _trouble.decode(body).error
    return None if error is UNSET else bytes(error).decode("utf-8", "replace").strip('"')


def transfers_in(infos: Sequence[TransactionInfo]) -> list[TransferLog]:
    """List every Transfer-shaped log of a block's transactions, in block order, failed transactions included.

    Shaped like a Transfer: the Transfer topic, exactly 3 topics of 64 hex digits, data of exactly 64. All else is
    another event and left out. Raises BlockInconsistent where such a log has no readable contract address.
    """
    found: list[TransferLog] = []
    before = 0
    for info in infos:
        found += [
            _transfer(info, position, before, log) for position, log in enumerate(info.log) if _is_transfer(log)
        ]
        before += len(info.log)
    return found


def accounts_in(infos: Sequence[TransactionInfo]) -> frozenset[bytes]:
    """Pick out every account, 20 bytes, that a Transfer of a block may name, far quicker than reading each of them.

    It may hold a few that transfers_in would leave out, and never lacks one that it lists.
    Raises BlockInconsistent as transfers_in does.
    """
    logs = [log for info in infos for log in info.log if len(log.topics) == 3]
    names = {log.topics[0] for log in logs}
    if names != {TRANSFER_TOPIC}:
        names = {name for name in names if _is_transfer_topic(name)}
        logs = [log for log in logs if log.topics[0] in names]
    if any(_bare20(address) is None for address in {log.address for log in logs}):
        transfers_in(infos)  # raises, unless the log is no Transfer after all
    words = [word for log in logs for word in log.topics[1:]]
    try:
        joined = bytes.fromhex("".join(words))
    except ValueError:
        joined = b""
    if len(joined) != 32 * len(words) or {*map(len, words)} - {64}:  # some word is none: read them all
        return frozenset(account for log in transfers_in(infos) for account in (log.sender20, log.to20))
    return frozenset([joined[place : place + 20] for place in range(12, len(joined), 32)])


def raw_log(log: TransferLog) -> str:
    """Write a log down in the node's own notation, compact JSON: the evidence beside what was made of it."""
    words = [TRANSFER_TOPIC, log.sender20.hex().rjust(64, "0"), log.to20.hex().rjust(64, "0")]
    return encode({"address": log.contract20.hex(), "topics": words, "data": f"{log.units:064x}"}).decode()


def kind_of(log: TransferLog, usdt20: bytes) -> TokenKind:
    """Tell a Transfer of the configured contract from a look-alike's; name and symbol mean nothing."""
    return TokenKind.USDT if log.contract20 == usdt20 else TokenKind.FAKE


def check_block_infos(infos: Sequence[TransactionInfo], height: int, after_time_ms: int) -> None:
    """Require that all infos belong to the block at `height`, with one block time later than the previous block's.

    after_time_ms: the previous block's time. An empty list passes: it says nothing.
    Raises BlockInconsistent, naming what contradicts what.
    """
    times = {info.block_time_ms for info in infos}
    ids = [info.id for info in infos]
    others = {info.block_number for info in infos} - {height}
    if others:
        raise BlockInconsistent(f"Asked for block {height}, the TRON node answered with block {min(others)}.")
    joined = "".join(ids)
    if {*map(len, ids)} - {64} or not _is_hex(joined):
        raise BlockInconsistent(f"Block {height} lists a transaction without a readable id.")
    if len(times) > 1:
        raise BlockInconsistent(f"The transactions of block {height} carry different block times.")
    if times and min(times) <= after_time_ms:
        raise BlockInconsistent(f"Block {height} is not later than the block before it.")
    lowered = ids if joined == joined.lower() else [txid.lower() for txid in ids]
    if len(set(lowered)) != len(ids):
        raise BlockInconsistent(f"Block {height} lists one transaction twice.")


def _is_hex(digits: str) -> bool:
    """Tell whether a text of even length is hex digits alone; a pattern takes ten times as long over a block's ids."""
    try:
        return 2 * len(bytes.fromhex(digits)) == len(digits)  # fromhex passes over spaces
    except ValueError:
        return False


def _is_transfer(log: Log) -> bool:
    return (
        len(log.topics) == 3
        and _is_transfer_topic(log.topics[0])
        and _HEX64.fullmatch(log.topics[1]) is not None
        and _HEX64.fullmatch(log.topics[2]) is not None
        and _HEX64.fullmatch(log.data) is not None
    )


def _is_transfer_topic(topic: str) -> bool:
    return topic == TRANSFER_TOPIC or topic.lower() == TRANSFER_TOPIC


def _transfer(info: TransactionInfo, position: int, before: int, log: Log) -> TransferLog:
    return TransferLog(
        txid=info.id.lower(),
        log_index=position,
        block_index=before + position,
        contract20=contract20_of(info, log),
        sender20=bytes.fromhex(log.topics[1][24:]),
        to20=bytes.fromhex(log.topics[2][24:]),
        units=int(log.data, 16),
        succeeded=info.has_succeeded,
    )


def contract20_of(info: TransactionInfo, log: Log) -> bytes:
    """Read who logged, 20 bytes; a node of another dialect must be heard of, for its USDT would look like none.

    Raises BlockInconsistent.
    """
    contract20 = _bare20(log.address)
    if contract20 is None:
        raise BlockInconsistent(f"A Transfer log of transaction {info.id} has no readable contract address.")
    return contract20


def _bare20(address: str) -> bytes | None:
    bare = address[2:] if len(address) == 42 and address.startswith("41") else address
    return bytes.fromhex(bare) if _HEX40.fullmatch(bare) else None


def _is_id_of(block_id: str, height: int) -> bool:
    return _HEX64.fullmatch(block_id) is not None and height >= 0 and int(block_id[:16], 16) == height

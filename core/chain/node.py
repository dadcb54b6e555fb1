"""The one door to TRON reads: our own HTTP client for full-node APIs, paced, retried and classified.

It refuses to conclude: an empty list or None means "unknown to this node now", and every answer that is not the one
asked for raises. The node is the operator's choice, so the egress guard does not apply here and a node on loopback is
fine. One HttpNode is one provider with its keys; `fleet` fails over between several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from threading import Event
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import DecodeError
from msgspec.json import encode
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from core.chain import rpc
from core.chain.addresses import TronAddress
from core.chain.decode import (
    BlockHeader, BlockInconsistent, TransactionInfo, read_constant, read_contract, read_error, read_header,
    read_info, read_infos,
)
from core.chain.failures import (
    FailureKind, NodeFailure, failure_of_decoding, failure_of_error, failure_of_status, failure_of_text,
)
from core.chain.keyring import KeyRing
from core.chain.pacing import PATIENCE_S, Pacer
from core.chain.protocol import Heights as Heights
from core.chain.protocol import Node as Node  # noqa: F401  one door: whoever asks a node imports it from here
from core.chain.rpc import LoggedTransfer
from core.chain.wire import Wire
from core.clock import Clock
from core.errors import MisconfiguredHub, WrongNetwork
from core.ids import random_bytes

TIMEOUTS_S = (3.05, 10.0)  # connect: just over one retransmission of SYN; read: nodes answer blocks within seconds
ATTEMPTS = 3
BACKOFF_S = 0.25  # doubled each time, half of it by chance: 0.125 to 0.25 s, then 0.25 to 0.5 s
FULL, SOLID = "wallet", "walletsolidity"
BUSY = b"lack of computing resources"
NOBODY = f"41{'00' * 20}"

T = TypeVar("T")


class HttpNode:
    """One provider's full-node HTTP API; safe to share between threads.

    full_url, solid_url: base URLs, a path in them is kept; without solid_url both views are served at full_url.
    rpc_url: of its JSON-RPC, `<full_url>/jsonrpc` by default.   api_keys: each with a pace and a budget of its own.
    qps: requests a second, daily_requests: in any 24 hours, per key; None for no limit.   timeout: connect and read,
    seconds.   name: unique in its fleet; the URL's host and port by default.
    wait: blocks for the given seconds; close() ends a wait begun by the default.
    """

    def __init__(
        self, full_url: str, solid_url: str | None = None, api_keys: Sequence[str] = (), *, clock: Clock,
        rpc_url: str | None = None, qps: float | None = 8.0, daily_requests: int | None = 90_000,
        timeout: tuple[float, float] = TIMEOUTS_S, attempts: int = ATTEMPTS,
        wait: Callable[[float], object] | None = None, random_source: Callable[[int], bytes] = random_bytes,
        name: str | None = None,
    ) -> None:
        self._base_urls = {FULL: base_url(full_url), SOLID: base_url(solid_url or full_url)}
        self.name = name or host_of(full_url)
        self._rpc_url = base_url(rpc_url) if rpc_url else f"{self._base_urls[FULL]}/jsonrpc"
        self._clock = clock
        self._attempts = attempts
        self._closing = Event()
        self._wait: Callable[[float], object] = self._closing.wait if wait is None else wait
        _require_sendable(api_keys)
        self._keys = KeyRing(
            api_keys, lambda: Pacer(clock=clock, qps=qps, wait=self._wait, daily=daily_requests)
        )
        self._random_source = random_source
        self._wires = {
            url: Wire(url, clock=clock, timeout=timeout) for url in {*self._base_urls.values(), self._rpc_url}
        }

    def genesis_id(self) -> str:
        """Read the id of block 0, 64 hex digits; raises WrongNetwork where full and solid URL differ in it."""
        ids = {
            root: _known(self._ask(root, "getblockbynum", {"num": 0}, read_header)).block_id for root in (FULL, SOLID)
        }
        if ids[FULL] != ids[SOLID]:
            raise WrongNetwork("The full and the solid URL of the TRON node belong to different networks.")
        return ids[SOLID]

    def heights(self) -> Heights:
        """Read both heights, the solid one first: the head cannot be behind it unless the answers are of two nodes."""
        solid = self.solid_height()
        return Heights(solid=solid, head=max(solid, self.head_height()))

    def solid_height(self) -> int:
        """Read the height of the newest final block; it may be lower than last time behind a load balancer."""
        return self._newest(SOLID).height

    def head_height(self) -> int:
        """Read the height of the newest block, which may still be replaced."""
        return self._newest(FULL).height

    def solid_infos(self, height: int) -> list[TransactionInfo]:
        """Read what happened in a final block; `[]` is an empty block or one unknown here: ask solid_header."""
        return self._ask(SOLID, "gettransactioninfobyblocknum", {"num": height}, read_infos)

    def solid_header(self, height: int) -> BlockHeader | None:
        """Read a final block's header, about 0.6 kB; None if this node does not know it yet."""
        return self._header(SOLID, height)

    def solid_info(self, txid: str) -> TransactionInfo | None:
        """Read what a transaction of a final block did; None if this node does not know it yet."""
        return self._info(SOLID, txid)

    def head_info(self, txid: str) -> TransactionInfo | None:
        """Read what a transaction did whose block may still be replaced; None if this node does not know it."""
        return self._info(FULL, txid)

    def head_infos(self, height: int) -> list[TransactionInfo]:
        """Read what happened in a block that may still be replaced; advice, never a reason to credit."""
        return self._ask(FULL, "gettransactioninfobyblocknum", {"num": height}, read_infos)

    def head_header(self, height: int) -> BlockHeader | None:
        """Read the header of a block that may still be replaced; None if this node does not know it."""
        return self._header(FULL, height)

    def contract_exists(self, address: TronAddress) -> bool:
        """Tell whether this node knows a contract at the address; False may also mean it is not synchronised."""
        found = self._ask(FULL, "getcontract", {"value": address.hex41}, read_contract)
        if found not in (None, address.hex41):
            raise BlockInconsistent("The TRON node answered with another contract than the one asked for.")
        return found is not None

    def call_contract(self, contract: TronAddress, function: str, *words: bytes) -> bytes:
        """Call a function that changes nothing, on the solid state; returns its result's bytes.

        function: its signature, such as `balanceOf(address)`.   words: its arguments, 32 bytes each.
        Raises NodeFailure(CALL_FAILED) unless the call plainly succeeded: a revert also comes as HTTP 200.
        """
        question: dict[str, object] = {
            "owner_address": NOBODY, "contract_address": contract.hex41, "function_selector": function,
            "parameter": b"".join(words).hex(),
        }
        result = self._ask(SOLID, "triggerconstantcontract", question, read_constant)
        if result is None:
            raise NodeFailure(FailureKind.CALL_FAILED, detail=function)
        return result

    def transfer_logs(
        self, contract: TronAddress, *, to: Sequence[bytes] | None, since: int, until: int
    ) -> list[LoggedTransfer]:
        """List the Transfer logs of a contract in these blocks by JSON-RPC, failed transactions' included.

        to: 20 bytes each, None for everybody's.   since, until: heights, both included.
        An index that was enabled late lacks older logs without a word: a second proof, never the only one.
        Raises NodeFailure(DISABLED) where the node has no JSON-RPC.
        """
        found: list[LoggedTransfer] = []
        for first in range(since, until + 1, rpc.MAX_RANGE):
            last = min(until, first + rpc.MAX_RANGE - 1)
            for some in rpc.chunks(to):
                found += self._logs(contract, some, first, last)
        return found

    def _logs(self, contract: TronAddress, to: Sequence[bytes] | None, first: int, last: int) -> list[LoggedTransfer]:
        """Ask for one range, and for its halves where it holds too much for one answer."""
        try:
            question = rpc.question(contract, to, first, last)
            return self._repeat(lambda: rpc.read_logs(self._send(self._rpc_url, "", question)))
        except NodeFailure as failure:
            if failure.kind is not FailureKind.TOO_MANY_LOGS or first == last:
                raise
        middle = (first + last) // 2
        return self._logs(contract, to, first, middle) + self._logs(contract, to, middle + 1, last)

    def close(self) -> None:
        """Close idle connections and end waits; calls under way finish, later ones open connections anew."""
        self._closing.set()
        for wire in self._wires.values():
            wire.close()

    def _newest(self, root: str) -> BlockHeader:
        """Read the newest header: getblock without an id leaves the transactions out (up to 1.6 MB of them)."""
        header = self._ask(root, "getblock", {"detail": False}, read_header)
        return header or _known(self._ask(root, "getnowblock", {}, read_header))

    def _header(self, root: str, height: int) -> BlockHeader | None:
        header = self._ask(root, "getblock", {"id_or_num": str(height), "detail": False}, read_header)
        if header is not None and header.height != height:
            raise BlockInconsistent(f"Asked for block {height}, the TRON node answered with block {header.height}.")
        return header

    def _info(self, root: str, txid: str) -> TransactionInfo | None:
        info = self._ask(root, "gettransactioninfobyid", {"value": txid}, read_info)
        if info is not None and info.id.lower() != txid:
            raise BlockInconsistent("The TRON node answered with another transaction than the one asked for.")
        return info

    def _ask(self, root: str, call: str, question: dict[str, object], read: Callable[[bytes], T]) -> T:
        base_url, path = self._base_urls[root], f"/{root}/{call}"
        return self._repeat(lambda: _read(self._send(base_url, path, question), read))

    def _repeat(self, act: Callable[[], T]) -> T:
        """Ask until answered, at most `attempts` times; reading changes nothing, so it may always be repeated."""
        attempt = 1
        while True:
            try:
                return act()
            except NodeFailure as failure:
                pause_s = self._backoff_s(attempt, failure)
                if not failure.is_transient or attempt >= self._attempts or pause_s > PATIENCE_S:
                    raise
            self._wait(pause_s)
            attempt += 1

    def _send(self, base_url: str, path: str, question: dict[str, object]) -> bytes:
        wire, body = self._wires[base_url], encode(question)
        return self._keys.use(lambda secret: self._post(wire, path, body, secret))

    def _post(self, wire: Wire, path: str, question: bytes, key: str) -> bytes:
        reply = wire.post(path, question, key=key)
        if reply.status != 200:
            raise failure_of_status(status=reply.status, body=reply.body, retry_after=reply.retry_after)
        if BUSY in reply.body[:400]:  # with HTTP 200: the key must hear of it
            raise failure_of_error(BUSY.decode())
        return reply.body

    def _backoff_s(self, attempt: int, failure: NodeFailure) -> float:
        chance = int.from_bytes(self._random_source(2)) / 0xFFFF
        backoff_s: float = BACKOFF_S * 2 ** (attempt - 1) * (0.5 + chance / 2)
        return max(backoff_s, failure.retry_in_s or 0.0)


def host_of(url: str) -> str:
    """Give host and port of a node's URL in their one spelling; the rest of it may hold a key."""
    host = urlsplit(url).netloc.rpartition("@")[2].lower()
    host = re.sub(r"^(localhost|\[::1\])(?=:|$)", "127.0.0.1", host)
    return re.sub(r":(80|443)?$", "", host)


def _require_sendable(api_keys: Sequence[str]) -> None:
    if not all(key.isascii() and key.isprintable() and " " not in key for key in api_keys):
        raise MisconfiguredHub("An API key of the TRON node has characters that no HTTP header can hold.")


def base_url(url: str, *, called: str = "The URL of the TRON node") -> str:
    """Check an operator's node URL; it is never repeated in an error, for some providers put the key into its path.

    called: what the error names, such as the setting.   Raises MisconfiguredHub.
    """
    try:
        if urlsplit(url).port == 0:
            raise ValueError("no port")
    except ValueError as err:
        raise MisconfiguredHub(f"{called} has a port that is not a number from 1 to 65535.") from err
    unfit = MisconfiguredHub(f"{called} must look like https://host or https://host/path.")
    try:
        parsed = parse_url(url)
    except LocationParseError as err:
        raise unfit from err
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise unfit
    return url.rstrip("/")


def _known(header: BlockHeader | None) -> BlockHeader:
    if header is None:
        raise NodeFailure(FailureKind.MISSING)
    return header


def _read(body: bytes, read: Callable[[bytes], T]) -> T:
    try:
        error = read_error(body)
        if error is not None:
            raise failure_of_error(error)
        return read(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise failure_of_text(body) or failure_of_decoding(err) from err

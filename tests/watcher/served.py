"""A hand-written chain behind a node's HTTP interface, so that the rules also hold through the real node client.

What the chain answers, or a test makes it answer, is written in the node's own JSON; where it raises, the node is 503.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from core.chain.addresses import address_of, parse_address
from core.chain.decode import TRANSFER_TOPIC, BlockHeader
from core.chain.rpc import LoggedTransfer
from core.errors import NodeUnavailable
from core.testing.chains import FakeChain


@contextmanager
def served(chain: FakeChain) -> Iterator[str]:
    """Serve a chain on loopback; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, body = 200, _answer(chain, self.path.strip("/"), question)
            except NodeUnavailable:
                status, body = 503, b"<html>Service Unavailable</html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(chain: FakeChain, path: str, question: dict[str, Any]) -> bytes:
    root, _, call = path.partition("/")
    if path == "jsonrpc":
        return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": _logs(chain, question["params"][0])})
    return msgspec.json.encode(getattr(_Calls(chain, is_solid=root == "walletsolidity"), call)(question))


class _Calls:
    """The node's calls by their own names."""

    def __init__(self, chain: FakeChain, *, is_solid: bool) -> None:
        self._chain = chain
        self._is_solid = is_solid

    def gettransactioninfobyblocknum(self, question: dict[str, Any]) -> Any:
        read = self._chain.solid_infos if self._is_solid else self._chain.head_infos
        return read(question["num"])

    def getblock(self, question: dict[str, Any]) -> Any:
        if "id_or_num" in question:
            read = self._chain.solid_header if self._is_solid else self._chain.head_header
            return _block(read(int(question["id_or_num"])))
        newest = self._chain.solid_height() if self._is_solid else self._chain.head_height()
        return _block(self._chain._header(newest))

    def getblockbynum(self, question: dict[str, Any]) -> Any:
        assert question == {"num": 0}
        return _block(BlockHeader(0, self._chain.genesis_id(), "0" * 64, 0, "0" * 64))

    def getcontract(self, question: dict[str, Any]) -> Any:
        address = address_of(bytes.fromhex(question["value"])[1:])
        return {"contract_address": question["value"]} if self._chain.contract_exists(address) else {}

    def triggerconstantcontract(self, question: dict[str, Any]) -> Any:
        contract = address_of(bytes.fromhex(question["contract_address"])[1:])
        words = bytes.fromhex(question["parameter"])
        result = self._chain.call_contract(contract, question["function_selector"], words)
        return {"result": {"result": True}, "constant_result": [result.hex()], "transaction": {"ret": [{}]}}


def _block(header: BlockHeader | None) -> dict[str, Any]:
    if header is None:
        return {}
    raw = {
        "number": header.height, "timestamp": header.time_ms, "txTrieRoot": header.tx_trie_root,
        "parentHash": header.parent_hash,
    }
    return {"blockID": header.block_id, "block_header": {"raw_data": raw}}


def _logs(chain: FakeChain, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    slots = wanted["topics"][1:]
    to = [bytes.fromhex(word[-40:]) for word in slots[1]] if slots else None
    contract = parse_address(chain.usdt_contract)
    since, until = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
    return [_log(log) for log in chain.transfer_logs(contract, to=to, since=since, until=until)]


def _log(log: LoggedTransfer) -> dict[str, Any]:
    words = [TRANSFER_TOPIC, log.sender20.hex().rjust(64, "0"), log.to20.hex().rjust(64, "0")]
    return {
        "blockNumber": hex(log.height), "transactionHash": "0x" + log.txid, "logIndex": hex(log.block_index),
        "topics": ["0x" + word for word in words], "data": f"0x{log.units:064x}",
    }

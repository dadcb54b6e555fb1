"""Block headers: ids, parents, Merkle roots; pure, no storage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

NO_ROOT = bytes(32)  # txTrieRoot of a block without transactions
BLOCK_VERSION = 34  # what nodes of the 4.8 era write


@dataclass(frozen=True, slots=True)
class Header:
    """One block without its transactions. `witness` is a number from 0 to 26."""

    height: int
    block_id: bytes
    parent_id: bytes
    timestamp_ms: int
    trie_root: bytes
    witness: int


def forge(*, parent: Header, timestamp_ms: int, witness: int, witness_address: bytes, trie_root: bytes) -> Header:
    """Make the header that follows `parent`."""
    height = parent.height + 1
    header = Header(height, b"", parent.block_id, timestamp_ms, trie_root, witness)
    return _with_id(header, witness_address)


def forge_genesis(*, seed_hash: bytes, timestamp_ms: int, witness_address: bytes) -> Header:
    """Make block 0; its parent hash is 32 arbitrary bytes, as on the real networks."""
    return _with_id(Header(0, b"", seed_hash, timestamp_ms, NO_ROOT, 0), witness_address)


def altered(header: Header, *, trie_root: bytes, witness_address: bytes) -> Header:
    """Make the header that a block would have with other transactions."""
    return _with_id(replace(header, trie_root=trie_root), witness_address)


def header_bytes(header: Header, witness_address: bytes) -> bytes:
    """Serialize BlockHeader.raw; tronpy's protobuf classes do not include it."""
    return b"".join((
        _number(1, header.timestamp_ms),
        _bytes(2, header.trie_root),
        _bytes(3, header.parent_id),
        _number(7, header.height),
        _bytes(9, witness_address),
        _number(10, BLOCK_VERSION),
    ))


def trie_root(transactions: Iterable[bytes]) -> bytes:
    """Return the Merkle root over serialized transactions; an odd one out is carried up unchanged."""
    level = [hashlib.sha256(transaction).digest() for transaction in transactions]
    if not level:
        return NO_ROOT
    while len(level) > 1:
        paired = [hashlib.sha256(level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[2 * len(paired):]
    return level[0]


def _with_id(header: Header, witness_address: bytes) -> Header:
    digest = hashlib.sha256(header_bytes(header, witness_address)).digest()
    block_id = header.height.to_bytes(8) + digest[8:]
    return Header(
        header.height, block_id, header.parent_id, header.timestamp_ms, header.trie_root, header.witness
    )


def _number(field: int, value: int) -> bytes:
    return b"" if value == 0 else _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

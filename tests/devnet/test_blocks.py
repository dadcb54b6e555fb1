"""Headers, ids and Merkle roots."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from core.devnet import blocks
from core.devnet.blocks import NO_ROOT, Header

WITNESS = bytes.fromhex("41" + "11" * 20)


def test_header_bytes_are_protobuf_field_by_field() -> None:
    header = Header(300, b"", b"\x22" * 32, 5, b"\x33" * 32, 0)

    expected = b"\x08\x05" + b"\x12\x20" + b"\x33" * 32 + b"\x1a\x20" + b"\x22" * 32 + b"\x38\xac\x02"
    assert blocks.header_bytes(header, WITNESS) == expected + b"\x4a\x15" + WITNESS + b"\x50\x22"


def test_block_id_is_height_and_hash_d7() -> None:
    genesis = blocks.forge_genesis(seed_hash=bytes(32), timestamp_ms=1, witness_address=WITNESS)

    block = blocks.forge(parent=genesis, timestamp_ms=2, witness=1, witness_address=WITNESS, trie_root=NO_ROOT)

    digest = hashlib.sha256(blocks.header_bytes(replace(block, block_id=b""), WITNESS)).digest()
    assert block.block_id == (1).to_bytes(8) + digest[8:]
    assert block.parent_id == genesis.block_id


def test_trie_root_is_zeros_only_for_no_transactions_d7() -> None:
    one, two, three = (hashlib.sha256(text).digest() for text in (b"1", b"2", b"3"))

    assert blocks.trie_root([]) == bytes(32)
    assert blocks.trie_root([b"1"]) == one
    assert blocks.trie_root([b"1", b"2", b"3"]) == hashlib.sha256(hashlib.sha256(one + two).digest() + three).digest()

"""The sliver of the Ethereum ABI the devnet's contracts need: words, selectors, JSON entries. No dynamic inputs."""

from __future__ import annotations

from typing import Any

from core.devnet.keys import PREFIX, keccak256

WORD = 32
Entry = dict[str, Any]


def function(name: str, inputs: str = "", outputs: str = "", *, mutability: str = "Nonpayable") -> Entry:
    """Describe a function as getcontract shows it; inputs read like "address _to, uint256 _value"."""
    entry: Entry = {"name": name, "type": "Function", "stateMutability": mutability}
    if mutability in ("View", "Pure"):
        entry["constant"] = True
    if inputs:
        entry["inputs"] = [_argument(text) for text in inputs.split(", ")]
    if outputs:
        entry["outputs"] = [{"type": text} for text in outputs.split(", ")]
    return entry


def view(name: str, inputs: str = "", outputs: str = "") -> Entry:
    """Describe a function that changes nothing."""
    return function(name, inputs, outputs, mutability="View")


def event(name: str, inputs: str) -> Entry:
    """Describe an event; inputs read like "indexed address from, uint256 value"."""
    return {"name": name, "type": "Event", "inputs": [_argument(text) for text in inputs.split(", ")]}


def signature(entry: Entry) -> str:
    """Write a function's or event's canonical signature."""
    return f"{entry['name']}({','.join(argument['type'] for argument in entry.get('inputs', []))})"


def selector(entry: Entry) -> bytes:
    """Return the first four bytes of a call to this function."""
    return keccak256(signature(entry).encode())[:4]


def topic(entry: Entry) -> bytes:
    """Return an event's first topic."""
    return keccak256(signature(entry).encode())


def word(value: int | bytes) -> bytes:
    """Encode a number, or an address of 21 bytes, into 32 bytes."""
    return value.to_bytes(WORD) if isinstance(value, int) else value[-20:].rjust(WORD, b"\0")


def word_at(data: bytes, index: int) -> bytes:
    """Return an argument's word; what calldata lacks reads as zeros, as in the TVM."""
    start = 4 + index * WORD
    return data[start:start + WORD].ljust(WORD, b"\0")


def address_at(data: bytes, index: int) -> bytes:
    """Return an argument as a 21-byte address; the upper twelve bytes are ignored, as old compilers do."""
    return PREFIX + word_at(data, index)[-20:]


def number_at(data: bytes, index: int) -> int:
    """Return an argument as an unsigned number."""
    return int.from_bytes(word_at(data, index))


def text(value: str) -> bytes:
    """Encode one string as the whole output."""
    raw = value.encode()
    return word(WORD) + word(len(raw)) + raw.ljust(-(-len(raw) // WORD) * WORD, b"\0")


def _argument(described: str) -> Entry:
    parts = described.split(" ")
    if parts[0] == "indexed":
        return {"indexed": True, "name": parts[2], "type": parts[1]}
    return {"name": parts[1], "type": parts[0]}

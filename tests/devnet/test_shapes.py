"""The devnet's answers against the documented ones: keys, kinds of values, hex or base58, what proto3 leaves out (D16).

The examples lie in tests/fixtures/tron; their README says where they come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.devnet import abi, keys, wire
from core.devnet.ledger import Chain
from core.devnet.node_api import ROOTS
from tests.devnet.conftest import BUYER, Ask
from tests.devnet.test_node_api import STRANGER, transfer_call

FIXTURES = Path(__file__).parent.parent / "fixtures" / "tron"
EXAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*.json"))
            if not path.stem.startswith("vector_")}
VECTORS = sorted(path for path in FIXTURES.glob("vector_*.json"))
KINDS = (  # the first that matches names the kind of a text
    ("nothing", r""), ("address in hex", r"41[0-9a-f]{40}"), ("address in base58", r"T[1-9A-HJ-NP-Za-km-z]{33}"),
    ("20 bytes", r"[0-9a-f]{40}"), ("32 bytes", r"[0-9a-f]{64}"), ("signature", r"[0-9a-f]{130}"),
    ("8 bytes", r"[0-9a-f]{16}"), ("2 bytes", r"[0-9a-f]{4}"), ("hex", r"([0-9a-f]{2})+"),
)


def kind(value: object) -> str:
    """Name what a leaf of an answer is."""
    if not isinstance(value, str):
        return type(value).__name__
    return next((name for name, pattern in KINDS if re.fullmatch(pattern, value)), "text")


def differences(answer: Any, example: Any, fixture: dict[str, Any], path: str = "") -> Iterator[str]:
    """List where an answer has another shape than its example."""
    if isinstance(answer, dict) and isinstance(example, dict):
        surplus = set() if path in fixture.get("open", []) else set(answer) - set(example)
        optional = {name for name in example if f"{path}.{name}".strip(".") in fixture.get("optional", [])}
        yield from (f"{path}.{name} is not documented" for name in sorted(surplus))
        yield from (f"{path}.{name} is missing" for name in sorted(set(example) - set(answer) - optional))
        for name in sorted(set(answer) & set(example)):
            yield from differences(answer[name], example[name], fixture, f"{path}.{name}".strip("."))
    elif isinstance(answer, list) and isinstance(example, list):
        if bool(answer) != bool(example):
            yield f"{path} has {len(answer)} entries"
        for number, entry in enumerate(answer if example else []):
            candidates = [list(differences(entry, each, fixture, path)) for each in example]
            if [] not in candidates:
                yield f"{path}[{number}]: {min(candidates, key=len)}"
    elif kind(answer) != kind(example):
        yield f"{path} is {kind(answer)} ({answer!r}), documented as {kind(example)} ({example!r})"


@pytest.fixture
def scene(chain: Chain, ask: Ask) -> dict[str, Any]:
    """Give a chain with one of everything, final, and the names the fixtures call it by."""
    paid = chain.pay(BUYER, 5)
    height = chain.advance(1).height
    names = {"paid": paid, "height": height, "height_text": str(height), "height_after": height + 1}
    names |= {"trx": chain.faucet_trx(BUYER, 500_000_000), "second": chain.pay(STRANGER, 5)}
    names |= {"reverted": chain.failed_transfer(BUYER, 5, "revert")}
    names |= {"timed_out": chain.failed_transfer(BUYER, 5, "out_of_time")}
    chain.stake(BUYER, 200_000)
    names["empty"] = chain.advance(2).height
    chain.advance(18)
    return names | addresses(chain) | transactions(chain, ask) | {"block": chain.block(height)[0].block_id.hex()}


def addresses(chain: Chain) -> dict[str, Any]:
    to = abi.word(keys.from_base58(BUYER)).hex()
    return {
        "usdt": chain.usdt_address, "usdt_hex": chain.places.usdt.hex(), "wallet": chain.wallet_address,
        "wallet_hex": keys.from_base58(chain.wallet_address).hex(),
        "stranger": STRANGER, "staker": BUYER, "transfer": to + f"{5:064x}", "too_much": to + "f" * 64,
    }


def transactions(chain: Chain, ask: Ask) -> dict[str, Any]:
    call = transfer_call(chain, units=5) | {"fee_limit": "15000000"}
    unsigned = ask("wallet/triggersmartcontract", **call)["transaction"]
    unsigned.pop("visible")
    digest = bytes.fromhex(unsigned["txID"])
    signature = keys.sign(private_key=chain.ring.wallet, digest=digest)
    raw = bytes.fromhex(unsigned["raw_data_hex"])
    strangers = ask("wallet/triggersmartcontract", **call | {"owner_address": STRANGER})["transaction"]
    strangers.pop("visible")
    return {
        "unsigned": unsigned, "signed": unsigned | {"signature": [signature.hex()]}, "strangers": strangers,
        "unsigned_hex": wire.read(raw).to_bytes().hex(), "signed_hex": wire.read(raw, (signature,)).to_bytes().hex(),
    }


def filled(params: Any, scene: dict[str, Any]) -> Any:
    """Put the scene's values in the place of their names."""
    if isinstance(params, dict):
        spread = filled(params["$spread"], scene) if "$spread" in params else {}
        return spread | {name: filled(value, scene) for name, value in params.items() if name != "$spread"}
    return scene[params[1:]] if isinstance(params, str) and params.startswith("$") else params


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_answer_has_its_documented_shape_d16(ask: Ask, scene: dict[str, Any], name: str) -> None:
    fixture = EXAMPLES[name]

    answer = ask(fixture["call"], **filled(fixture["params"], scene))

    assert list(differences(answer, fixture["example"], fixture)) == []
    if fixture.get("literal"):
        assert answer == fixture["example"]


def test_every_call_has_an_example() -> None:
    compared = {fixture["call"].partition("/")[2] for fixture in EXAMPLES.values()}

    assert set(ROOTS["wallet"]) == compared


def test_every_example_names_its_source() -> None:
    assert [name for name, fixture in EXAMPLES.items() if len(fixture["source"]) < 20] == []


@pytest.mark.parametrize(("answer", "difference"), [
    ({"a": 1}, ".b is missing"), ({"a": 1, "b": "", "c": 0}, ".c is not documented"),
    ({"a": "1", "b": ""}, "a is text ('1'), documented as int (1)"),
    ({"a": 1, "b": "41" + "00" * 20}, "b is address in hex"), ({"a": True, "b": ""}, "a is bool"),
])
def test_the_comparison_sees_a_difference(answer: Any, difference: str) -> None:
    found = list(differences(answer, {"a": 1, "b": ""}, {}))

    assert len(found) == 1
    assert found[0].startswith(difference)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_documented_transaction_keeps_its_id_and_its_json_spec_7(ask: Ask, path: Path) -> None:
    vector = json.loads(path.read_text())

    weighed = ask("wallet/getsignweight", raw_data=vector["raw_data"], signature=["00" * 65])
    shown = weighed["transaction"]["transaction"]

    assert (shown["txID"], shown["raw_data"]) == (vector["txID"], vector["raw_data"])
    assert len(shown["raw_data_hex"]) // 2 == vector.get("raw_bytes", len(shown["raw_data_hex"]) // 2)
    assert wire.from_json(shown).size == vector.get("signed_bytes", wire.from_json(shown).size)

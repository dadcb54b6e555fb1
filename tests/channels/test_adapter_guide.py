"""plugins/README.md is true: its adapter, installed as a stranger's distribution, is loaded and keeps the contract."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.contract import OrderPlaced, PushResult
from core.plugin_loader import load_plugins
from core.testing.adapter_contract import AdapterContract

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "plugins" / "README.md").read_text()
PARTS = dict(re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", README, re.DOTALL))
PACKED = tomllib.loads(re.findall(r"<!-- file: pyproject.toml -->\n```toml\n(.*?)```", README, re.DOTALL)[0])
POINTS = PACKED["project"]["entry-points"]["paywharf"]
RULES = sorted(name for name in vars(AdapterContract) if name.startswith("test_"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The README's test class, from a folder on the path that looks as pip leaves it."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in PARTS.items():
        (folder / name).write_text(text)
    info = folder / "bazaar-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bazaar\nVersion: 1.0\n")
    points = "".join(f"{name} = {module}\n" for name, module in POINTS.items())
    (info / "entry_points.txt").write_text(f"[paywharf]\n{points}")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield importlib.import_module("test_bazaar").TestBazaar
    sys.path.remove(str(folder))
    for name in ("bazaar", "test_bazaar"):
        sys.modules.pop(name, None)


def keep(suite: Any, rule: str) -> None:
    """Run one test of a suite as pytest would."""
    case = suite()
    case.setup_method()
    try:
        getattr(case, rule)()
    finally:
        case.teardown_method()


def test_the_adapter_has_some_forty_lines() -> None:
    lines = PARTS["bazaar.py"].split("class Bazaar", 1)[1].split("@hookimpl")[0].splitlines()

    assert len([line for line in lines if line.strip()]) <= 45


def test_the_installed_adapter_is_loaded_by_name(suite: Any) -> None:
    registry = load_plugins(["bazaar"], bundled=[]).registry

    assert registry.adapters == {"bazaar": suite.adapter}
    assert [(one.name, one.version, one.reason) for one in registry.plugins] == [("bazaar", "1.0", "")]


@pytest.mark.parametrize("rule", RULES)
def test_the_readmes_adapter_keeps_the_contract(suite: Any, rule: str) -> None:
    keep(suite, rule)


def always(result: PushResult) -> Any:
    """Give a push that says a thing and does nothing."""
    return lambda self, update: result


def twice(self: Any, update: Any) -> PushResult:
    """Push without looking."""
    self.ask("POST", f"/orders/{update.order_id}/paid", {"txids": []})
    return PushResult.DONE


def whoever(self: Any, request: Any) -> str:
    """Believe everybody."""
    return str(request.headers.get("x-bazaar-id", ""))


def hasty(self: Any, request: Any) -> list[Any]:
    """Believe the call instead of asking."""
    return [OrderPlaced(json.loads(request.body)["order"], "50.00")]


@pytest.mark.parametrize(
    ("method", "fault", "rule"),
    [
        ("verify", whoever, "test_a_call_with_one_byte_changed_is_refused"),
        ("parse", hasty, "test_an_order_that_is_gone_opens_no_payment"),
        ("parse", hasty, "test_an_edited_order_gets_a_payment_of_its_new_amount"),
        ("parse", hasty, "test_garbage_is_a_bad_payload"),
        ("push", always(PushResult.DONE), "test_what_was_paid_is_told_once"),
        ("push", twice, "test_what_was_paid_is_told_once"),
        ("push", twice, "test_an_older_update_after_a_newer_one_is_ignored"),
        ("push", twice, "test_a_push_whose_answer_is_lost_is_repeated_without_harm"),
    ],
)
def test_the_contract_notices_a_planted_fault(
    suite: Any, method: str, fault: Any, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite.adapter, method, fault)

    with pytest.raises(Exception):  # noqa: B017,PT011 -- an assertion of the contract, or what the fault itself raises
        keep(suite, rule)

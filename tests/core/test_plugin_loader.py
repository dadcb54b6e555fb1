"""Loading plugins: each on its own, a broken one left out with its reason."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from marshmallow import Schema

from core.contract import Adapter, InboundRequest, PaymentUpdate, PlatformEvent, PushResult, Rate, RateSource, hookimpl
from core.plugin_loader import load_plugins


BROKEN = {
    "at_import": "raise RuntimeError('no such thing')",
    "leaves": "raise SystemExit(3)",
    "misspelt": "from core.contract import hookimpl\n@hookimpl\ndef register_adapter():\n    return []",
    "in_hook": "from core.contract import hookimpl\n@hookimpl\ndef register_adapters():\n    return [][0]",
    "no_adapter": "from core.contract import hookimpl\n@hookimpl\ndef register_adapters():\n    return [int]",
    "half": (
        "from core.contract import Adapter, hookimpl\nclass Half(Adapter):\n    name = 'half'\n"
        "@hookimpl\ndef register_adapters():\n    return [Half]"
    ),
    "wants_more": "from core.contract import hookimpl\n@hookimpl\ndef register_adapters(everything):\n    return []",
    "taken": (
        "from tests.core.test_plugin_loader import Post\nfrom core.contract import hookimpl\n"
        "@hookimpl\ndef register_adapters():\n    return [Post]"
    ),
}
REASONS = {
    "at_import": "RuntimeError: no such thing",
    "leaves": "SystemExit: 3",
    "misspelt": "PluginValidationError: unknown hook 'register_adapter'",
    "in_hook": "IndexError: list index out of range",
    "no_adapter": "TypeError: <class 'int'> is not an Adapter class",
    "half": "TypeError: Half lacks parse, push, verify",
    "wants_more": "PluginValidationError: Plugin 'wants_more'",
    "taken": "ValueError: the name 'post' is taken by another plugin",
    "absent": "LookupError: no installed distribution has an entry point 'absent'",
}


class Post(Adapter):
    """An adapter that does nothing."""

    name = "post"
    settings_schema = Schema

    def verify(self, request: InboundRequest) -> str | None:
        return None

    def parse(self, request: InboundRequest) -> list[PlatformEvent]:
        return []

    def push(self, update: PaymentUpdate) -> PushResult:
        return PushResult.DONE


class Peg(RateSource):
    """A rate source that knows one rate."""

    name = "peg"

    def fetch(self, http: object) -> list[Rate]:
        return []


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> str:
    """A bundled plugin that works."""
    plugin = ModuleType("plugins.good")
    plugin.register_adapters = hookimpl(lambda: [Post])  # type: ignore[attr-defined]
    plugin.register_rate_sources = hookimpl(lambda: [Peg()])  # type: ignore[attr-defined]
    plugin.register_commands = hookimpl(lambda cli: cli)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "plugins.good", plugin)
    return "plugins.good"


def install(folder: Path, name: str, source: str) -> None:
    """Install a distribution with one module and its entry point, as pip would leave it."""
    (folder / f"third_{name}.py").write_text(source)
    info = folder / f"third_{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: third-{name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[paywharf]\n{name} = third_{name}\n")


def test_what_a_plugin_brings_is_found(good: str) -> None:
    registry = load_plugins(bundled=[good]).registry

    assert registry.adapters == {"post": Post}
    assert [source.name for source in registry.rate_sources] == ["peg"]
    assert [(one.name, one.is_bundled, one.brings) for one in registry.plugins] == [
        ("good", True, ("adapter post", "rate source peg")),
    ]
    assert registry.broken == []


@pytest.mark.parametrize("name", REASONS)
def test_a_broken_plugin_stops_nothing_and_says_why(
    name: str, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each, source in BROKEN.items():
        install(tmp_path, each, source)
    monkeypatch.syspath_prepend(tmp_path)

    plugins = load_plugins([name, name], bundled=[good])

    (broken,) = plugins.registry.broken
    assert broken.name == name and broken.reason.startswith(REASONS[name])
    assert broken.version == ("" if name == "absent" else "1.2")
    assert plugins.registry.adapters == {"post": Post}
    assert [one for one, _ in plugins.ask_each("register_adapters")] == ["good"]


def test_an_installed_plugin_is_loaded_only_when_the_operator_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "quiet", "LOADED = True")
    monkeypatch.syspath_prepend(tmp_path)

    assert load_plugins(bundled=[]).registry.plugins == ()
    assert "third_quiet" not in sys.modules
    assert [one.name for one in load_plugins(["quiet"], bundled=[]).registry.plugins] == ["quiet"]


def test_a_hook_that_raises_keeps_no_other_from_being_called(
    good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raises = "from core.contract import hookimpl\n@hookimpl\ndef register_commands():\n    raise OSError('gone')"
    install(tmp_path, "raises", raises)
    hears = "from core.contract import hookimpl\n@hookimpl\ndef register_commands(cli):\n    return 7"
    install(tmp_path, "hears", hears)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = load_plugins(["raises", "hears"], bundled=[good])

    assert sorted(plugins.ask_each("register_commands", cli="cli")) == [("good", "cli"), ("hears", 7)]

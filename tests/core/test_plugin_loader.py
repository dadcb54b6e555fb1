"""Loading plugins: each on its own, a broken one left out with its reason."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from marshmallow import Schema

from core import plugin_loader
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
    "unmarked": "def register_adapters():\n    return []",
    "a_class": "class Plug:\n    def __init__(self):\n        raise OSError",
    "no_list": "from core.contract import hookimpl\n@hookimpl\ndef register_adapters():\n    return 42",
    "nothing": "from core.contract import hookimpl\n@hookimpl\ndef register_blueprints():\n    pass",
    "in_commands": (
        "from core.contract import hookimpl\n@hookimpl\ndef register_commands(cli):\n    raise OSError('gone')"
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
    "in_hook": "register_adapters raised IndexError: list index out of range",
    "no_adapter": "TypeError: <class 'int'> is not an Adapter class",
    "half": "TypeError: Half lacks parse, push, verify",
    "wants_more": "PluginValidationError: Plugin 'wants_more'",
    "taken": "ValueError: the name 'post' is taken by another plugin",
    "unmarked": "it brings no hook: is @hookimpl forgotten? The hooks: register_adapters, ",
    "a_class": "its entry point names the class Plug: name its module, or an object of it",
    "no_list": "register_adapters gave 42: it must give a list of Adapter classes",
    "nothing": "register_blueprints gave None: it must give a list of Flask blueprints",
    "in_commands": "register_commands raised OSError: gone",
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


def add_stamp(cli: click.Group) -> None:
    """Add a command."""
    cli.add_command(click.Command("stamp"))


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> str:
    """A bundled plugin that works."""
    plugin = ModuleType("plugins.good")
    plugin.register_adapters = hookimpl(lambda: [Post])  # type: ignore[attr-defined]
    plugin.register_rate_sources = hookimpl(lambda: [Peg()])  # type: ignore[attr-defined]
    plugin.register_commands = hookimpl(add_stamp)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "plugins.good", plugin)
    return "plugins.good"


def install(folder: Path, name: str, source: str, *, of: str = "") -> None:
    """Install a distribution with one module and its entry point, as pip would leave it."""
    (folder / f"third_{name}.py").write_text(source)
    info = folder / f"third_{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: third-{name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[paywharf]\n{name} = third_{name}{of}\n")


def test_what_a_plugin_brings_is_found(good: str) -> None:
    registry = load_plugins(bundled=[good]).registry

    assert registry.adapters == {"post": Post}
    assert [source.name for source in registry.rate_sources] == ["peg"]
    assert [(one.name, one.is_bundled, one.brings) for one in registry.plugins] == [
        ("good", True, ("adapter post", "rate source peg", "command stamp")),
    ]
    assert registry.broken == []


@pytest.mark.parametrize("name", REASONS)
def test_a_broken_plugin_stops_nothing_and_says_why(
    name: str, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each, source in BROKEN.items():
        install(tmp_path, each, source, of=":Plug" if each == "a_class" else "")
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
    install(tmp_path, "quiet", "from core.contract import hookimpl\n@hookimpl\ndef register_adapters():\n    return []")
    monkeypatch.syspath_prepend(tmp_path)

    assert load_plugins(bundled=[]).registry.plugins == ()
    assert "third_quiet" not in sys.modules
    assert [one.name for one in load_plugins(["quiet"], bundled=[]).registry.plugins] == ["quiet"]


def test_a_bundled_plugin_that_is_named_once_more_is_loaded_once(good: str) -> None:
    registry = load_plugins(["good"], bundled=[good]).registry

    assert [(one.name, one.reason) for one in registry.plugins] == [("good", "")]


def test_a_broken_plugin_is_logged_where_there_is_a_log_and_not_by_each_command(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load_plugins(["absent"], bundled=[])
    assert [(one.levelname, one.exc_info is not None) for one in caplog.records] == [("ERROR", True)]
    caplog.clear()

    monkeypatch.setattr(plugin_loader.log, "hasHandlers", lambda: False)
    load_plugins(["absent"], bundled=[])

    assert caplog.records == []


def test_a_hook_that_raises_keeps_no_other_from_being_called(
    good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raises = (
        "from core.contract import hookimpl\n@hookimpl\ndef register_commands(cli):\n"
        "    if cli == 'cli': raise OSError('gone')"
    )
    install(tmp_path, "raises", raises)
    hears = "from core.contract import hookimpl\n@hookimpl\ndef register_commands(cli):\n    return 7"
    install(tmp_path, "hears", hears)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = load_plugins(["raises", "hears"], bundled=[good])

    assert sorted(plugins.ask_each("register_commands", cli="cli")) == [("hears", 7)]

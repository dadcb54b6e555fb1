"""Loads plugins one by one, so that a broken one is left out with its reason and stops nothing.

Bundled plugins are named here by string; others are entry points of the group `paywharf` that the operator has enabled
by name. pluggy's own loader stops at the first failure, and its broadcast at the first implementation that raises:
here each plugin is imported, registered, checked for misspelt hooks and asked on its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
import pluggy

from core.channels.registry import PluginState, Registry
from core.contract import GROUP, Adapter, Hooks, RateSource

log = logging.getLogger(__name__)

BUNDLED: tuple[str, ...] = ("plugins.woocommerce", "plugins.telegram", "plugins.rates")
REASON_LIMIT = 300
WANTED = {  # what each hook must give
    "register_adapters": "a list of Adapter classes",
    "register_rate_sources": "a list of RateSource objects",
    "register_blueprints": "a list of Flask blueprints",
}
HOOKS = (*WANTED, "register_commands")


class Unfit(Exception):
    """What was found is no plugin of this house; the sentence says why."""


@dataclass(slots=True)
class Plugins:
    """The plugins that work, to be asked hook by hook."""

    registry: Registry
    manager: pluggy.PluginManager = field(repr=False)

    def ask_each(self, hook: str, **given: object) -> Iterator[tuple[str, Any]]:
        """Call every implementation of a hook on its own; one that raises is logged and passed over."""
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            try:
                yield implementation.plugin_name, _call(implementation, given)
            except Exception:
                _complain("plugin %s failed in %s", implementation.plugin_name, hook)


def load_plugins(
    enabled: Sequence[str] = (), *, bundled: Sequence[str] = BUNDLED, rate_table: Mapping[str, Decimal] | None = None
) -> Plugins:
    """Load the bundled plugins and the enabled entry points; never raises for what a plugin does.

    rate_table: the operator's own rates, for the source that gives them.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    harvest = _Harvest(manager, dict(rate_table or {}))
    for name in bundled:
        harvest.take(name.removeprefix("plugins."), partial(import_module, name), is_bundled=True)
    found = {point.name: point for point in entry_points(group=GROUP)}
    ours = {name.removeprefix("plugins.") for name in bundled}
    for name in dict.fromkeys(one for one in enabled if one not in ours):
        point = found.get(name)
        version = point.dist.version if point and point.dist else ""
        harvest.take(name, partial(_load, name, point), is_bundled=False, version=version)
    return Plugins(harvest.registry(), manager)


class _Harvest:
    """What has been gathered so far; a plugin counts whole or not at all."""

    def __init__(self, manager: pluggy.PluginManager, rate_table: Mapping[str, Decimal]) -> None:
        self._manager = manager
        self._rate_table = rate_table
        self._states: list[PluginState] = []
        self._adapters: dict[str, type[Adapter]] = {}
        self._sources: dict[str, RateSource] = {}
        self._blueprints: list[tuple[str, object]] = []

    def take(self, name: str, load: Callable[[], object], *, is_bundled: bool, version: str = "") -> None:
        """Import, register and ask one plugin; a failure of any kind leaves nothing of it behind."""
        try:
            plugin = load()
            if isinstance(plugin, type):
                raise Unfit(f"its entry point names the class {plugin.__name__}: name its module, or an object of it")
            if self._manager.register(plugin, name=name) is None:
                raise ValueError("the plugin is switched off")
            self._manager.check_pending()
            brought = self._ask(name)
        except (Exception, SystemExit) as err:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            _complain("plugin %s is left out: %s", name, _reason(err))
            self._states.append(PluginState(name, is_bundled, version, reason=_reason(err)))
            return
        self._states.append(PluginState(name, is_bundled, version, brings=brought))

    def registry(self) -> Registry:
        return Registry(tuple(self._states), self._adapters, tuple(self._sources.values()), tuple(self._blueprints))

    def _ask(self, name: str) -> tuple[str, ...]:
        if not self._manager.get_hookcallers(self._manager.get_plugin(name)):
            raise Unfit(f"it brings no hook: is @hookimpl forgotten? The hooks: {', '.join(HOOKS)}")
        commands = self._commands(name)
        adapters = {one.name: one for one in self._answers(name, "register_adapters", _adapter)}
        sources = {one.name: one for one in self._answers(name, "register_rate_sources", _source)}
        blueprints = [(name, one) for one in self._answers(name, "register_blueprints", _anything)]
        taken = sorted((adapters.keys() & self._adapters.keys()) | (sources.keys() & self._sources.keys()))
        if taken:
            raise ValueError(f"the name {taken[0]!r} is taken by another plugin")
        self._adapters.update(adapters)
        self._sources.update(sources)
        self._blueprints.extend(blueprints)
        return (
            *(f"adapter {one}" for one in adapters), *(f"rate source {one}" for one in sources),
            *("pages" for _ in blueprints[:1]), *(f"command {one}" for one in commands),
        )

    def _commands(self, name: str) -> list[str]:
        """Name the commands a plugin adds; they are asked for anew where one is run."""
        theirs = click.Group()
        for implementation in self._implementations(name, "register_commands"):
            _tried(implementation, {"cli": theirs})
        return list(theirs.commands)

    def _answers(self, name: str, hook: str, checked: Callable[[Any], Any]) -> Iterable[Any]:
        found = list[Any]()
        for implementation in self._implementations(name, hook):
            given = _tried(implementation, {"rate_table": self._rate_table})
            if not isinstance(given, Sequence) or isinstance(given, str):
                raise Unfit(f"{hook} gave {given!r}: it must give {WANTED[hook]}")
            found += [checked(one) for one in given]
        return found

    def _implementations(self, name: str, hook: str) -> list[Any]:
        return [one for one in getattr(self._manager.hook, hook).get_hookimpls() if one.plugin_name == name]


def _load(name: str, point: EntryPoint | None) -> object:
    if point is None:
        raise LookupError(f"no installed distribution has an entry point {name!r} in the group {GROUP!r}")
    return point.load()


def _tried(implementation: Any, given: dict[str, object]) -> Any:
    """Ask a hook; what it raises is said with its name."""
    try:
        return _call(implementation, given)
    except (Exception, SystemExit) as err:
        raise Unfit(f"{implementation.function.__name__} raised {_reason(err)}") from err


def _call(implementation: Any, given: dict[str, object]) -> Any:
    return implementation.function(*(given[name] for name in implementation.argnames))


def _adapter(one: Any) -> type[Adapter]:
    if not (isinstance(one, type) and issubclass(one, Adapter)):
        raise TypeError(f"{one!r} is not an Adapter class")
    if one.__abstractmethods__:
        raise TypeError(f"{one.__name__} lacks {', '.join(sorted(one.__abstractmethods__))}")
    for wanted in ("name", "settings_schema"):
        if not getattr(one, wanted, None):
            raise TypeError(f"{one.__name__} has no {wanted}")
    return one


def _source(one: Any) -> RateSource:
    if not isinstance(one, RateSource) or not getattr(one, "name", None):
        raise TypeError(f"{one!r} is not a RateSource with a name")
    return one


def _complain(sentence: str, *names: str) -> None:
    """Log what is wrong, where there is a log; a command says it by `plugins` and `doctor` alone."""
    if log.hasHandlers():
        log.exception(sentence, *names)


def _anything(one: Any) -> Any:
    return one


def _reason(err: BaseException) -> str:
    if isinstance(err, Unfit):
        return str(err)[:REASON_LIMIT]
    return f"{type(err).__name__}: {' '.join(str(err).split())}"[:REASON_LIMIT]

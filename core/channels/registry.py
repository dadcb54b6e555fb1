"""What the plugins have brought, and which of them are broken and why. Filled by `core.plugin_loader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.contract import Adapter, RateSource


@dataclass(frozen=True, slots=True)
class PluginState:
    """One plugin as the operator sees it. reason: why it is broken, one line; empty for one that works."""

    name: str
    is_bundled: bool
    version: str = ""
    brings: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """What works of what was found. adapters: by name; blueprints, commands: by plugin."""

    plugins: Sequence[PluginState] = ()
    adapters: Mapping[str, type[Adapter]] = field(default_factory=dict)
    rate_sources: Sequence[RateSource] = ()
    blueprints: Sequence[tuple[str, object]] = ()

    @property
    def broken(self) -> list[PluginState]:
        """List the plugins that are left out."""
        return [plugin for plugin in self.plugins if plugin.reason]

"""The parts every room is handed: database, clock, randomness, vault and outbound door, chosen once at the roof.

Nothing here starts anything. Tests and simulations build a Hub with other parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from core.channels.registry import Registry
from core.clock import Clock
from core.db import Database
from core.figures import Figures
from core.http import HttpSender
from core.ids import IdPermutation, Ids
from core.patience import Patience
from core.projects.vault import Vault
from core.settings import Settings


def wake_nobody() -> None:
    """Stand in for a worker where none is local: the sweeper of another process finds the work."""


@dataclass(slots=True)
class Hub:
    """The parts of one running hub.

    http: the guarded door for merchant-chosen URLs.   wake: hint to the local executor that deliveries are due;
    best effort, never raises.   registry: what the plugins have brought.   figures: what this process counts.
    id_permutation: public payment ids, made at first use by `core.payments.numbers`.   patience: who keeps it waiting.
    """

    settings: Settings
    database: Database
    clock: Clock
    ids: Ids
    vault: Vault
    http: HttpSender
    wake: Callable[[], None] = field(default=wake_nobody)
    registry: Registry = field(default_factory=Registry, repr=False)
    id_permutation: IdPermutation | None = field(default=None, repr=False)
    figures: Figures = field(default_factory=Figures, repr=False)
    patience: Patience = field(default_factory=Patience, repr=False)

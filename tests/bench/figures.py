"""Figures and how they are shown: the samples of interleaved rounds beside their goal; nothing here measures."""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

SPIN_ROUNDS = 200_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was measured in every round, and what is hoped for.

    samples: one a round.   goal: as performance.md says it.   note: absolute values, for orientation only.
    """

    name: str
    samples: Sequence[float]
    goal: str = ""
    note: str = ""
    unit: str = ""

    def cells(self) -> tuple[str, ...]:
        """Write min, median, max, goal and note."""
        ordered = sorted(self.samples)
        values = (ordered[0], statistics.median(ordered), ordered[-1])
        return (self.name, *(f"{value:.2f}{self.unit}" for value in values), self.goal, self.note)


@dataclass(slots=True)
class Report:
    """Prints each figure as soon as it is known, and all of them as one table at the end."""

    out: TextIO = sys.stdout
    figures: list[Figure] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        """Tell what is being done."""
        print(f"… {sentence}", file=self.out, flush=True)

    def add(self, figure: Figure) -> None:
        """Keep a figure and show it."""
        self.figures.append(figure)
        print(f"  {'  '.join(figure.cells())}", file=self.out, flush=True)

    def finish(self) -> None:
        """Print the table."""
        rows = [("figure", "min", "median", "max", "goal", "for orientation"), *(one.cells() for one in self.figures)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
            print(line.rstrip(), file=self.out)


@dataclass(slots=True)
class Calibration:
    """The machine's own speed, taken in every round by a loop that does the same work each time."""

    speeds: list[float] = field(default_factory=list)

    def take(self) -> None:
        """Spin once."""
        began = time.perf_counter()
        digest = b""
        for _ in range(SPIN_ROUNDS):
            digest = hashlib.sha256(digest).digest()
        self.speeds.append(SPIN_ROUNDS / (time.perf_counter() - began))

    def figure(self) -> Figure:
        """Show each round's speed against the median: how far the other figures can be trusted."""
        usual = statistics.median(self.speeds)
        note = f"{usual / 1e6:.2f} M hashes/s"
        return Figure("machine: speed of a fixed loop ÷ its median", [one / usual for one in self.speeds], note=note)


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Divide round by round: neighbours in time have met the same machine."""
    return [one / other for one, other in zip(numerators, denominators, strict=True)]


def around(values: Sequence[float], unit: str) -> str:
    """Write a median with its unit."""
    return f"{statistics.median(values):.0f} {unit}"

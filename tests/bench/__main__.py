"""`make bench`: measures how fast the hub is, as ratios of neighbouring rounds in one run, and always ends with 0.

    python -m tests.bench [--full] [--rounds N] [--only create,near,scan,sizes,gap,day,ask,deliver,hang,start]
        [--kind SQLite,…]

A figure is a ratio because the machine's own speed drifts by a factor of two; its rounds alternate with those of what
it is divided by. Goals are those of the performance plan, 1 to 10.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tests.bench import asking, catching_up, creating, delivering, hanging, neighbours, scanning, starting
from tests.bench.figures import Calibration, Report
from tests.bench.places import KINDS, places

CHAPTERS = ["create", "near", "scan", "sizes", "gap", "day", "ask", "deliver", "hang", "start"]
MANY, FULL = 100_000, 1_000_000


def main() -> None:
    """Measure what was asked for and print the table."""
    wanted = _options()
    many = FULL if wanted.full else MANY
    report, calibration = Report(), Calibration()
    chapters: dict[str, Callable[..., None]] = {
        "create": creating.measure,
        "near": partial(neighbours.measure, many=many),
        "scan": partial(scanning.measure, many=many),
        "sizes": partial(scanning.measure_sizes, many=FULL),
        "gap": partial(scanning.measure_gap, many=many),
        "day": catching_up.measure,
        "ask": partial(asking.measure, many=many),
        "deliver": delivering.measure,
        "hang": hanging.measure,
        "start": partial(starting.measure, many=many),
    }
    with places() as where:
        for name, measure in chapters.items():
            for kind in wanted.kind if name in wanted.only else ():
                measure(report, where, calibration, kind=kind, rounds=wanted.rounds)
    report.add(calibration.figure())
    report.finish()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"a crowd of {FULL:,} instead of {MANY:,}")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement; 3 at least for a median")
    parser.add_argument("--only", type=_words, default=CHAPTERS, help="chapters")
    parser.add_argument("--kind", type=_words, default=list(KINDS), help="kinds of database")
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()

"""How commands answer: a table or lines for people, one JSON document for programs, one sentence for an error.

Exit codes: 0 done, 1 refused or failed with a sentence on stderr, 2 wrong usage (click's own).
"""

from __future__ import annotations

import functools
import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from core.cli.roof import Roof
from core.errors import DatabaseUnavailable, GatewayError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

Document = Mapping[str, object]

MODES = ("test", "live")
ID = click.IntRange(1, 2**63 - 1)  # the width of the columns
LIMIT = click.IntRange(1, 10_000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say, for programs and for people; `exit_code` 1 is for a finding, not for an error."""

    document: object
    text: str
    exit_code: int = 0


def answering(command: Callable[..., Answer]) -> Callable[..., None]:
    """Give a command its --json option, print its answer, and turn errors into one sentence."""

    @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
    @click.pass_obj
    @functools.wraps(command)
    def run(roof: Roof, /, *, as_json: bool, **options: Any) -> None:
        with one_sentence(as_json=as_json):
            answer = command(roof, **options)
        click.echo(json.dumps(answer.document, indent=2) if as_json else answer.text)
        if answer.exit_code:
            sys.exit(answer.exit_code)

    return run


def staying(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that runs until it is stopped its --json option, and turn errors into one sentence."""

    @click.option("--json", "as_json", is_flag=True, help="Say an error as one JSON document.")
    @click.pass_obj
    @functools.wraps(command)
    def run(roof: Roof, /, *, as_json: bool, **options: Any) -> None:
        with one_sentence(as_json=as_json):
            command(roof, **options)

    return run


@contextmanager
def one_sentence(*, as_json: bool) -> Iterator[None]:
    """End the process with a sentence and code 1 where an error of the catalogue is met."""
    try:
        yield
    except Exception as err:  # an edge
        known = _known(err)
        if known is None:
            raise
        if as_json:
            click.echo(json.dumps({"ok": False, "error": known.sentence, "code": known.code}, indent=2))
        click.echo(f"Error: {known.sentence}", err=True)
        sys.exit(1)


def table(rows: Sequence[Document], columns: Sequence[str], *, empty: str) -> str:
    """Set rows under their columns' names; a sentence stands for an empty table."""
    if not rows:
        return empty
    head = [name.replace("_", " ") for name in columns]
    cells = [[shown(row.get(name)) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in (head, *cells)]
    return "\n".join(line.rstrip() for line in lines)


def listing(pairs: Iterable[tuple[str, object]]) -> str:
    """Set names and values one below the other; values nobody has set are left out."""
    known = [(name.replace("_", " "), shown(value)) for name, value in pairs if value not in (None, "")]
    width = max(len(name) for name, _ in known)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in known)


def shown(value: object) -> str:
    """Write one value for a terminal; what merchants sent cannot move the cursor or hide."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join("?" if unicodedata.category(letter).startswith("C") else letter for letter in str(value))


def database_trouble(err: DBAPIError) -> DatabaseUnavailable:
    """Say what the database itself says: its first line names the cause."""
    said = str(err.orig).splitlines()[0].rstrip(".")
    hint = " Is the disk full?" if "disk" in said else ""  # SQLite calls a full disk an I/O error as well
    return DatabaseUnavailable(f"The database cannot be used: {said}.{hint}")


def _known(err: Exception) -> GatewayError | None:
    """Find the catalogue's error for what went wrong; None for a bug of ours, whose traceback is worth having."""
    if isinstance(err, GatewayError):
        return err
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import OperationalError, ProgrammingError

    return database_trouble(err) if isinstance(err, OperationalError | ProgrammingError) else None

"""The file of a backup: a head, every table's rows, and an end whose checksum covers all that stands before it.

Each line is JSON: `{"paywharf_backup": 1, …}`, then `{"table": …, "columns": […]}` followed by one array a row (bytes
as `{"b64": …}`), then `{"end": …}`. A file without its end, or with another checksum, is not believed.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from core.errors import MisconfiguredHub

FORMAT = 1
COMPRESSION = 6

Row = tuple[int | str | bytes | None, ...]


class BadBackup(MisconfiguredHub):
    """A file that cannot be restored: not one of ours, cut short, altered, or of a later version."""

    code = "bad_backup"
    sentence = "This file is not a Paywharf backup."


@dataclass(frozen=True, slots=True)
class Head:
    """What a backup says of itself.

    made_at: RFC 3339.   revision: of the schema.   networks: network, genesis id and height of each cursor.
    key_marks: by id, what tells the master keys of the hub that made it from others.
    """

    made_at: str
    revision: str
    engine: str
    networks: list[dict[str, Any]] = field(default_factory=list)
    key_marks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class End:
    """What a backup ends with: rows by table, and the ids of the master keys that its secrets are sealed under."""

    rows: dict[str, int]
    key_ids: list[str]
    sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table's name and its columns, in the order in which its rows have them."""

    name: str
    columns: tuple[str, ...]


class Writer:
    """Writes a backup to `<path>.part` and gives it its name only when all of it is on the disk."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._raw = os.fdopen(descriptor, "wb")
        self._zip = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=COMPRESSION)
        self._sum = sha256()
        self._rows: Counter[str] = Counter()
        self._line({"paywharf_backup": FORMAT, **asdict(head)})

    def begin(self, table: Table) -> None:
        """Say whose rows follow."""
        self._rows[table.name] = 0
        self._line({"table": table.name, "columns": table.columns})

    def add(self, table: Table, row: Row) -> None:
        """Write one row."""
        self._rows[table.name] += 1
        self._line([_packed(value) for value in row])

    def finish(self, key_ids: set[str]) -> End:
        """Write the end, see all of it to the disk, and name the file."""
        end = End(dict(self._rows), sorted(key_ids), self._sum.hexdigest())
        self._line({"end": asdict(end)})
        self._zip.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        os.replace(self._part, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return end

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self._raw.close()
        self._part.unlink(missing_ok=True)

    def _line(self, value: object) -> None:
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._sum.update(line)
        self._zip.write(line)


def inspect(path: Path) -> tuple[Head, End]:
    """Read a backup from end to end and check it whole; raises BadBackup with what is wrong."""
    found, last = sha256(), b""
    counted: Counter[str] = Counter()
    table = ""
    lines = _lines(path)
    head = _head(first := next(lines, b""))
    found.update(first)
    for line in lines:
        if last:
            raise BadBackup("The backup goes on after its end.")
        value = _loaded(line)
        if isinstance(value, dict) and "end" in value:
            last = line
            continue
        found.update(line)
        if isinstance(value, dict):
            table = str(value.get("table"))
            counted[table] = 0
        else:
            counted[table] += 1
    if not last:
        raise BadBackup("The backup is cut short: its end is missing.")
    end = _end(last)
    if end.sha256 != found.hexdigest() or end.rows != dict(counted):
        raise BadBackup("The backup was altered or damaged: its checksum does not fit.")
    return head, end


def rows(path: Path) -> Iterator[tuple[Table, Row]]:
    """Give each row of a backup that `inspect` has checked, with its table."""
    lines = _lines(path)
    next(lines)
    table = Table("", ())
    for line in lines:
        value = _loaded(line)
        if isinstance(value, list):
            yield table, tuple(_unpacked(item) for item in value)
        elif "table" in value:
            table = Table(value["table"], tuple(value["columns"]))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except EOFError as err:
        raise BadBackup("The backup is cut short.") from err
    except zlib.error as err:
        raise BadBackup("The backup is damaged: it cannot be unpacked.") from err
    except gzip.BadGzipFile as err:
        raise BadBackup(f"{path} is not a Paywharf backup, or it is damaged.") from err
    except OSError as err:
        raise BadBackup(f"The backup cannot be read: {err.strerror}.") from err


def _head(line: bytes) -> Head:
    value = _loaded(line) if line else None
    if not isinstance(value, dict) or "paywharf_backup" not in value:
        raise BadBackup("This file is not a Paywharf backup.")
    if value.pop("paywharf_backup") != FORMAT:
        raise BadBackup("The backup was made by a later version of Paywharf: restore it with that.")
    return Head(**_fitting(Head, value))


def _end(line: bytes) -> End:
    return End(**_fitting(End, _loaded(line)["end"]))


def _fitting(kind: type[Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(kind.__dataclass_fields__):
        _broken()
    return value


def _loaded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        _broken()


def _broken() -> NoReturn:
    raise BadBackup("This file is not a Paywharf backup, or it is damaged.")


def _packed(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return {"b64": b64encode(value).decode()}
    if value is None or type(value) in (int, str):
        return value
    raise TypeError(f"a column holds {type(value).__name__}, which a backup has no form for")


def _unpacked(value: Any) -> int | str | bytes | None:
    if isinstance(value, dict):
        return b64decode(value["b64"], validate=True)
    if value is None or type(value) in (int, str):
        return value  # type: ignore[no-any-return]
    _broken()

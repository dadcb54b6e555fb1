"""The house's rules, read from its own source: floors, doors, sizes, docstrings and the ban on floats for money.

Each checker takes a module's name and tree and returns complaints, so that planted faults can prove it awake. A new
module at the top of `core` needs a floor here first, and a new import of a guarded thing needs a reason in its table.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TypeVar

import pytest

Rule = TypeVar("Rule")
ROOT = Path(__file__).parent.parent
ROOMS = ("core", "plugins", "checkout_ui", "workers", "wsgi")
MAX_FUNCTION_LINES, MAX_FILE_LINES, MAX_UNDOCUMENTED_LINES = 45, 350, 8

GROUND = (
    "core.errors", "core.clock", "core.ids", "core.money", "core.currencies", "core.signing", "core.settings",
)
CONTRACT = ("core.contract", "core.desk")
DATA = ("core.db", "core.prepared", "core.models", "core.migrations")
DOMAIN = (
    "core.hub", "core.projects", "core.payments", "core.ledger", "core.chain", "core.withdrawals", "core.outbox",
    "core.channels", "core.http", "core.egress", "core.alarms",
    "core.backup", "core.figures", "core.patience",
)
KIT = "plugins.telegram.kit"  # a distribution of its own, whose pyproject.toml pins what it uses
KIT_LIBRARIES = frozenset({"paywharf_telegram", "httpx", "aiogram", "telegram"})
ROOF = ("core.config", "core.plugin_loader", "core.app", "core.cli", "core.testing", "workers", "wsgi")
BELOW_DOMAIN, BELOW_FRONT = GROUND + CONTRACT + DATA, GROUND + CONTRACT + DATA + DOMAIN
CHAIN_READING = tuple(f"core.chain.{name}" for name in (
    "addresses", "xpub", "decode", "failures", "pacing", "keyring", "rpc", "protocol", "wire", "node", "token", "fleet",
))

# What a room may import of the house beside itself; the longest matching name rules.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(GROUND, GROUND),
    **dict.fromkeys(CONTRACT, GROUND + CONTRACT),
    **dict.fromkeys(DATA, GROUND + CONTRACT + DATA),
    "core.alarms": BELOW_DOMAIN,
    "core.egress": BELOW_DOMAIN,
    "core.figures": GROUND,
    "core.patience": (),
    "core.http": BELOW_DOMAIN + ("core.egress",),
    "core.hub": BELOW_DOMAIN + (
        "core.http", "core.figures", "core.patience", "core.projects.vault", "core.channels.registry",
    ),
    "core.channels.registry": GROUND + CONTRACT,
    "core.projects": BELOW_DOMAIN + (
        "core.hub", "core.alarms", "core.chain.addresses", "core.chain.xpub",
    ),
    "core.ledger": BELOW_DOMAIN + ("core.hub",),
    "core.ledger.statements": BELOW_DOMAIN + ("core.hub", "core.ledger", "core.payments.quoting"),
    "core.payments.quoting": GROUND,
    "core.outbox": BELOW_DOMAIN + ("core.hub", "core.alarms", "core.outbox", "core.projects"),
    "core.outbox.delivery": BELOW_DOMAIN + (
        "core.hub", "core.http", "core.outbox", "core.projects", "core.channels.pushing",
    ),
    **dict.fromkeys(("core.outbox.events", "core.outbox.bodies"), BELOW_DOMAIN + ("core.hub", "core.outbox.bodies")),
    "core.payments": BELOW_DOMAIN + (
        "core.hub", "core.patience", "core.alarms", "core.ledger", "core.outbox.events", "core.chain.addresses",
        "core.chain.xpub",
    ),
    **dict.fromkeys(CHAIN_READING, BELOW_DOMAIN + CHAIN_READING),
    "core.chain": BELOW_DOMAIN + (
        "core.hub", "core.alarms", "core.chain", "core.payments", "core.ledger", "core.outbox.events",
    ),
    "core.channels": BELOW_DOMAIN + (
        "core.hub", "core.alarms", "core.payments", "core.projects", "core.outbox.events", "core.outbox.endpoints",
        "core.outbox.history", "core.outbox.schedule", "core.outbox.stream", "core.ledger.journal",
    ),
    # what a delivery is pushed with: below the outbox, so that nothing here may know of it
    **dict.fromkeys(
        ("core.channels.pushing", "core.channels.adapters", "core.channels.store", "core.channels.trouble"),
        BELOW_DOMAIN + (
            "core.hub", "core.alarms", "core.patience", "core.channels.adapters", "core.channels.store",
            "core.channels.desk", "core.channels.trouble",
        ),
    ),
    **dict.fromkeys(
        ("core.channels.desk", "core.channels.people"),
        BELOW_DOMAIN + ("core.hub", "core.payments", "core.channels.people", "core.channels.store"),
    ),
    "core.withdrawals": BELOW_DOMAIN + ("core.hub", "core.ledger", "core.projects", "core.chain", "core.outbox.events"),
    "core.backup": BELOW_DOMAIN + (
        "core.hub", "core.projects.vault", "core.payments.numbers", "core.payments.deriving",
    ),
    "core.web": BELOW_FRONT,
    "core.throttle": BELOW_FRONT,
    "core.observing": BELOW_FRONT + ("core.web",),
    "core.api": BELOW_FRONT + ("core.web",),
    "core.dashboard": BELOW_FRONT + ("core.web",),
    "checkout_ui": BELOW_FRONT + ("core.web", "core.throttle"),
    "plugins": GROUND + CONTRACT,
    KIT: (),
    "core.devnet": GROUND,
    "core.demo": (),
    "core.listen": (),
    **dict.fromkeys(ROOF, ("core", "workers")),  # rooms above `core` are named by string, never imported
}
MAY_IMPORT["core"] = ()
FLASK_COMPANIONS = {"jinja2", "markupsafe"}  # Flask's own documented parts, pinned with it in the constraints

# Libraries a floor may use; None: whatever setup.cfg pins.
LIBRARIES: dict[str, frozenset[str] | None] = {
    "": None,
    **dict.fromkeys(GROUND, frozenset()),
    "core.contract": frozenset({"pluggy", "marshmallow"}),
    "core.desk": frozenset(),
    **dict.fromkeys(DATA, frozenset({"sqlalchemy", "flask_sqlalchemy", "alembic"})),
    "core.migrations": frozenset({"sqlalchemy", "alembic", "flask", "flask_migrate"}),
    KIT: KIT_LIBRARIES,
    "core.devnet": frozenset({"tronpy", "google", "coincurve", "Crypto", "base58"}),
}

# One door per outside world: the guarded name, and the rooms that may touch it. The demo shop is a stranger to the
# house and has doors of its own; test kits build what the roof builds.
CLIENTS = (
    "core.http", "core.chain.node", "core.chain.wire", "core.chain.demo_wallet", "core.demo", "core.listen",
    "core.testing.bot_api",
)
DOORS: dict[str, tuple[str, ...]] = {
    "time": ("core.clock", "core.demo", "core.listen", KIT),
    "datetime.datetime.now": ("core.clock", "core.demo"),
    "datetime.datetime.utcnow": (),
    "datetime.datetime.today": (),
    "datetime.date.today": (),
    "random": (),
    "secrets": ("core.ids", "core.demo", "core.listen", KIT),
    "uuid": (),
    "os.urandom": ("core.ids",),
    "os.environ": ("core.config",),
    "os.getenv": ("core.config",),
    "environs": ("core.config",),
    "requests": CLIENTS,
    "urllib3": CLIENTS + ("core.egress", "core.projects.website"),  # the last two parse URLs with it
    "urllib.request": (),
    "http.client": CLIENTS,
    "httpx": (KIT,),
    "sqlalchemy.create_engine": ("core.db",),
    "sqlalchemy.engine.create_engine": ("core.db",),
    "tronpy": ("core.chain.addresses", "core.withdrawals", "core.devnet", "core.testing"),
    "redis": ("workers.rq",),
    "rq": ("workers.rq",),
}
CATALOGUES = ("core.errors",)  # lists that are looked up in, not read
WITHOUT_FLOATS = ("core.money", "core.payments", "core.ledger", "core.withdrawals")


def sources() -> Iterator[tuple[str, Path]]:
    """List the house's modules by dotted name; schema revisions are history, kept as they were written."""
    for room in ROOMS:
        files = sorted((ROOT / room).rglob("*.py")) or [ROOT / f"{room}.py"]
        for path in files:
            if path.exists() and "versions" not in path.parts:
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


@cache
def trees() -> dict[str, ast.Module]:
    """Parse the house."""
    return {name: ast.parse(path.read_text()) for name, path in sources()}


def is_in(name: str, room: str) -> bool:
    """Tell whether a dotted name is a room or lies inside it."""
    return room == "" or name == room or name.startswith(f"{room}.")


def rule_for(name: str, table: dict[str, Rule]) -> Rule:
    """Find the rule of the longest room name that holds a module; KeyError where there is none."""
    return table[max((room for room in table if is_in(name, room)), key=len, default=name)]


def imported(tree: ast.AST) -> list[str]:
    """List the dotted names a module imports, with the names taken from them: `from a import b` is `a.b`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return found


def used(tree: ast.AST) -> list[str]:
    """List imports and dotted uses, spelled from the module they were imported from."""
    origin = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            origin.update({alias.asname or alias.name: module + alias.name for alias in node.names})
    names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    heads = [(name.split(".", 1)[0], name) for name in names]
    return imported(tree) + [name.replace(head, origin[head], 1) for head, name in heads if head in origin]


def broken_floors(name: str, tree: ast.AST) -> list[str]:
    """Say which imports of the house a module's floor does not allow."""
    allowed = rule_for(name, MAY_IMPORT)
    own = max((room for room in MAY_IMPORT if is_in(name, room)), key=len)
    ours = [target for target in imported(tree) if target.startswith(".") or target.split(".")[0] in ROOMS]
    return [
        f"{name} may not import {target}"
        for target in ours
        if not (own != "core" and is_in(target, own)) and not any(is_in(target, room) for room in allowed)
    ]


def broken_libraries(name: str, tree: ast.AST) -> list[str]:
    """Say which imported libraries are unknown to setup.cfg or too heavy for the module's floor."""
    roots = {target.split(".")[0] for target in imported(tree)} - set(sys.stdlib_module_names) - set(ROOMS) - {""}
    allowed = rule_for(name, LIBRARIES)
    if any(is_in(name, room) for room in DOMAIN):
        allowed = frozenset(roots - {"flask", "flask_sqlalchemy"})
    return [
        f"{name} may not import {root}"
        for root in sorted(roots)
        if (allowed is not None and root not in allowed)
        or root not in (KIT_LIBRARIES if is_in(name, KIT) else pinned_libraries())
    ]


@cache
def pinned_libraries() -> set[str]:
    """Name the importable packages of the distributions that setup.cfg installs for users."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    pinned = {re.split(r"[\[=]", line)[0].lower() for line in config["options"]["install_requires"].split()}
    found = {root for root, dists in packages_distributions().items() if pinned & {dist.lower() for dist in dists}}
    return found | FLASK_COMPANIONS


def broken_doors(name: str, tree: ast.AST) -> list[str]:
    """Say which guarded names a module reaches without being their door."""
    names = set(used(tree))
    return [
        f"{name} reaches {guarded} past its door"
        for guarded, doors in DOORS.items()
        if any(is_in(reached, guarded) for reached in names) and not any(is_in(name, door) for door in doors)
    ]


def broken_sizes(name: str, tree: ast.AST) -> list[str]:
    """Say which functions are too long, or too long for having no docstring."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = (node.end_lineno or 0) - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            found.append(f"{name}:{node.lineno} {node.name} has {lines} lines")
        if lines > MAX_UNDOCUMENTED_LINES and not node.name.startswith("_") and not ast.get_docstring(node):
            found.append(f"{name}:{node.lineno} {node.name} has no docstring")
    return found


def broken_files(name: str, tree: ast.Module) -> list[str]:
    """Say whether a file is too long or does not open by saying what it is."""
    lines = max((node.end_lineno or 0 for node in tree.body), default=0)
    allowed = MAX_FILE_LINES if name not in CATALOGUES else 2 * MAX_FILE_LINES
    return [f"{name} has {lines} lines"] * (lines > allowed) + [f"{name} has no docstring"] * (
        bool(tree.body) and not ast.get_docstring(tree)
    )


def floats(name: str, tree: ast.AST) -> list[str]:
    """Say where a module uses binary fractions: by name, by literal or by true division; `decimal` has one place."""
    if name != "core.payments.quoting" and "decimal" in imported(tree):
        return [f"{name} imports decimal"]
    return [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
    ]


def complaints(checker: Callable[[str, ast.Module], list[str]], rooms: tuple[str, ...] = ("",)) -> list[str]:
    """Ask a checker about every module, or about those of some rooms."""
    asked = {name: tree for name, tree in trees().items() if any(is_in(name, room) for room in rooms)}
    return [complaint for name, tree in asked.items() for complaint in checker(name, tree)]


def test_every_import_goes_down() -> None:
    assert complaints(broken_floors) == []


def test_every_library_fits_its_floor_and_is_pinned() -> None:
    assert complaints(broken_libraries) == []


def test_each_outside_world_has_one_door() -> None:
    """B6, S54: time, randomness, environment, HTTP, SQL engine, Redis and tronpy."""
    assert complaints(broken_doors) == []


def test_functions_are_short_and_said_in_a_sentence() -> None:
    assert complaints(broken_sizes) == []


def test_files_are_short_and_open_with_a_docstring() -> None:
    assert complaints(broken_files) == []


def test_b1_money_never_meets_a_float() -> None:
    assert complaints(floats, WITHOUT_FLOATS) == []


@pytest.mark.parametrize(
    ("checker", "name", "source"),
    [
        (broken_floors, "core.money", "from core.db import Base"),
        (broken_floors, "core.payments.state", "import core.outbox.delivery"),
        (broken_floors, "core.payments.state", "from core.outbox import delivery"),
        (broken_floors, "core.chain.node", "from core.payments import service"),
        (broken_floors, "core.outbox.events", "from core.http import GuardedHttp"),
        (broken_floors, "core.api.compat", "from core.app import create_app"),
        (broken_floors, "core.api.compat", "from core.dashboard import views"),
        (broken_floors, "core.app", "import plugins.shopify"),
        (broken_floors, "core.app", "from checkout_ui import views"),
        (broken_floors, "plugins.shopify.adapter", "from core.models import Payment"),
        (broken_floors, "plugins.telegram.kit.paywharf_telegram.hub", "from core.signing import hmac_hex"),
        (broken_libraries, "plugins.telegram.adapter", "import httpx"),
        (broken_floors, "core.demo.shop", "from core.signing import hmac_hex"),
        (broken_floors, "core.payments.service", "from .. import db"),
        (broken_libraries, "core.signing", "import requests"),
        (broken_libraries, "core.payments.service", "from flask import current_app"),
        (broken_libraries, "core.models", "import flask"),
        (broken_libraries, "core.api.compat", "import pytest"),
        (broken_doors, "core.app", "import time"),
        (broken_doors, "core.app", "from time import sleep"),
        (broken_doors, "core.app", "from datetime import datetime as d\nd.now()"),
        (broken_doors, "core.app", "import datetime\ndatetime.datetime.utcnow()"),
        (broken_doors, "core.app", "import os\nos.environ['A']"),
        (broken_doors, "core.app", "from os import getenv"),
        (broken_doors, "core.outbox.delivery", "import requests.adapters"),
        (broken_doors, "core.app", "from sqlalchemy import create_engine"),
        (broken_doors, "core.app", "import sqlalchemy as sa\nsa.create_engine('x')"),
        (broken_doors, "core.chain.node", "from tronpy import Tron"),
        (broken_doors, "workers.executor", "from rq import Queue"),
        (broken_sizes, "core.app", "def f():\n" + "    x = 1\n" * 45),
        (broken_sizes, "core.app", "def f():\n" + "    x = 1\n" * 8),
        (floats, "core.money", "x = float('1')"),
        (floats, "core.money", "x = 0.1"),
        (floats, "core.money", "x = 1 / 2"),
        (floats, "core.money", "import decimal"),
        (broken_files, "core.app", "x = 1"),
        (broken_files, "core.app", "'''Say.'''\n" + "x = 1\n" * 350),
    ],
)
def test_a_planted_fault_is_found(checker, name, source) -> None:  # type: ignore[no-untyped-def]
    assert checker(name, ast.parse(source))

"""The README says what is true: excerpts, settings, error codes, commands and folders are read from the source.

Its shell examples are run by `tests/demo/test_demo.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from core.cli import main
from core.config import NETWORKS
from core.errors import catalogue
from core.outbox.events import OPTIONAL_TYPES, TEST_PING
from core.settings import NetworkSettings, NodeSettings, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
CONFIG = ast.parse((ROOT / "core" / "config.py").read_text())
# Settings whose variable is named otherwise: the parts of the network, and what is made of two variables.
RENAMED = {
    "full_url": "NODE_URL", "solid_url": "SOLID_NODE_URL", "rpc_url": "NODE_RPC_URL", "api_keys": "NODE_API_KEY",
    "qps": "NODE_QPS", "daily_requests": "NODE_DAILY_REQUESTS", "name": "NETWORK",
    "second_opinion_units": "SECOND_OPINION_ABOVE",
}
PLACES = {"name": "NODE_", "number": "2"}  # what stands in a name that core.config puts together


def table_under(heading: str) -> list[list[str]]:
    """Read the rows of the first table under a heading, without its head."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def variables_read() -> dict[str, object]:
    """Find each variable that core.config reads, with its default where that is written down as a value."""
    found: dict[str, object] = {}
    for node in ast.walk(CONFIG):
        if not isinstance(node, ast.Call):
            continue
        is_method = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "env"
        is_helper = bool(node.args) and ast.unparse(node.args[0]) == "env"
        values = node.args if is_method else node.args[1:] if is_helper else []
        name = spelled(values[0]) if values else ""
        if any(c.isalpha() for c in name):
            default = values[1] if len(values) > 1 else None
            found.setdefault(name, default.value if isinstance(default, ast.Constant) else None)
    return found


def spelled(name: ast.expr) -> str:
    """Spell a variable's name as it is written down, or put together for the first or the second node."""
    parts = name.values if isinstance(name, ast.JoinedStr) else [name]
    words = [
        str(part.value) if isinstance(part, ast.Constant) else PLACES.get(ast.unparse(part.value), "")
        for part in parts if isinstance(part, ast.Constant | ast.FormattedValue)
    ]
    return "".join(words) if all(words) else ""


def commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    """List every command by its full name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name


def test_the_excerpt_is_the_source_itself() -> None:
    excerpts = re.findall(r"<!-- source: (\S+) -->\n```python\n(.*?)```", README, re.DOTALL)

    assert [path for path, _ in excerpts] == ["core/demo/gateway.py"]
    assert excerpts[0][1] == (ROOT / excerpts[0][0]).read_text()


def test_every_setting_is_documented_and_no_other() -> None:
    documented = [row[0].strip("`").removeprefix("PAYWHARF_") for row in table_under("Settings")]

    assert sorted(documented) == sorted(variables_read())
    assert len(documented) == len(set(documented))


def test_every_typed_setting_can_be_set() -> None:
    groups = (Settings, NetworkSettings, NodeSettings)
    typed = [field.name for group in groups for field in fields(group) if field.name not in ("network", "nodes")]
    variables = {RENAMED.get(name, name.upper()) for name in typed}

    assert sorted(variables - set(variables_read())) == []


@pytest.mark.parametrize("row", table_under("Settings"), ids=lambda row: row[0])
def test_a_documented_default_is_the_real_one(row: list[str]) -> None:
    default = variables_read()[row[0].strip("`").removeprefix("PAYWHARF_")]
    shown = row[1].strip("`")

    if default not in (None, "") and not row[1].startswith("`sqlite"):
        assert shown.lower() == str(default).lower()


def test_numbers_in_the_settings_table_are_the_defaults() -> None:
    shown = {row[0].strip("`").removeprefix("PAYWHARF_"): row[1].strip("`") for row in table_under("Settings")}
    defaults = {field.name: field.default for field in fields(Settings)}

    assert int(shown["PAYMENT_WINDOW_S"]) == defaults["payment_window_s"]
    assert int(shown["LATE_WINDOW_S"]) == defaults["late_window_s"]
    assert shown["NODE_QPS"] == str(NETWORKS["mainnet"].nodes[0].qps)


def test_every_error_is_documented_with_status_and_sentence() -> None:
    ours = [cls for cls in catalogue() if cls.__module__.startswith("core.errors")]

    assert table_under("Errors") == [[f"`{cls.code}`", str(cls.http_status), cls.sentence] for cls in ours]


def test_every_command_is_documented_and_no_other() -> None:
    documented = [name for row in table_under("Commands") for name in re.findall(r"`([a-z -]+)`", row[0])]

    assert sorted(documented) == sorted(commands(main))


@pytest.mark.parametrize("name", sorted(commands(main)))
def test_every_command_explains_itself_and_speaks_json(name: str) -> None:
    command: click.Command = main
    for part in name.split():
        assert isinstance(command, click.Group)
        command = command.commands[part]

    assert (command.help or "").strip()
    assert [parameter.name for parameter in command.params if "--json" in parameter.opts] == ["as_json"]
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_every_event_that_can_be_sent_is_documented_and_no_other() -> None:
    section = README.split("\n| event | what has happened |\n", 1)[1].split("\n\n", 1)[0]

    assert re.findall(r"^\| `([a-z.]+)` \|", section, re.MULTILINE) == [*OPTIONAL_TYPES, TEST_PING]


def test_every_network_is_documented() -> None:
    documented = [name for row in table_under("Networks") for name in re.findall(r"`(\w+)`", row[0])]

    assert sorted(documented) == sorted(NETWORKS)


def test_the_map_shows_folders_that_exist() -> None:
    folders = [name for row in table_under("Map of the folders") for name in re.findall(r"`([\w/]+)`", row[0])]

    assert [name for name in folders if not (ROOT / name).is_dir()] == []
    assert {f"{name}/" for name in ("core", "plugins", "checkout_ui", "workers", "tests")} <= set(folders)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README + CHANGELOG)

    assert [link for link in targets if not link.startswith("https://") and not (ROOT / link).exists()] == []


def test_the_warnings_of_the_contract_are_given() -> None:
    """Gateway API, "Also part of the service"."""
    section = README.split("## Taking payments in your shop", 1)[1].split("```", 1)[0]

    for words in ("stay on your backend", "signature", "success redirect", "check `ok` first"):
        assert words in section

"""What ships for operators fits what is there: commands, settings, files, users, networks; nothing secret, all pinned.

No container is built here: these tests read the files as Docker, compose and systemd do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from core.cli import main
from core.cli.checkup import CHECKS
from tests.test_docs import variables_read

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "workers" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("paywharf:")}
UNITS = sorted(DEPLOY.glob("*.service"))
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|API_KEY|MASTER_KEYS)$")
PINNED = re.compile(r"[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z]+)*$")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def check_command(words: list[str]) -> None:
    """Let click read a command line to its end without running it."""
    assert words[0].endswith("paywharf")
    command: click.Command = main
    words = words[1:]
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    context = command.make_context(command.name, list(words))
    assert set(context.params.get("only", ())) <= set(CHECKS)


def test_every_image_is_pinned():
    images = [service["image"] for service in SERVICES.values()]
    images += [line.split(" AS ")[0] for line in instructions("FROM")]

    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_the_image_of_the_roles_has_the_version_of_the_package():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")

    assert {service["image"] for service in OURS.values()} == {f"paywharf:{config['metadata']['version']}"}


@pytest.mark.parametrize("name", OURS)
def test_a_role_runs_a_command_that_exists(name: str):
    check_command(OURS[name]["command"])


def test_every_role_of_a_hub_is_there():
    assert set(SERVICES) == {"upgrade", "web", "watch", "work", "postgres", "redis", "caddy"}
    assert [service["command"][1] for service in OURS.values()] == ["db", "web", "watch", "work"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_how_it_is_unless_it_ends(name: str):
    service = SERVICES[name]

    if name == "upgrade":
        assert service["restart"] == "no"
    else:
        test = service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped" and test[0] in ("CMD", "CMD-SHELL")
        if test[1] == "paywharf":
            check_command(test[1:])


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_without_rights(name: str):
    service = OURS[name]

    assert service["user"] == "10001:10001"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]


def test_the_image_runs_as_a_user_of_its_own():
    assert instructions("USER") == ["10001:10001"]
    assert "USER" in DOCKERFILE.split("CMD")[0]
    check_command(yaml.safe_load(instructions("CMD")[0]))


def test_every_setting_named_is_one_of_ours():
    texts = [DOCKERFILE, *(path.read_text() for path in UNITS), (DEPLOY / "README.md").read_text()]
    named = {name for service in OURS.values() for name in service["environment"]}
    named |= {name for text in texts for name in re.findall(r"\bPAYWHARF_[A-Z_]+\b", text)}

    assert {name.removeprefix("PAYWHARF_") for name in named} - {"HOST"} <= set(variables_read())


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_down(name: str):
    for key, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(key):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?.*\}", value), key
        if "://" in value and "@" in value:
            assert re.search(r":\$\{[A-Z_]+:\?[^}]*\}@", value), key


def test_names_inside_the_file_lead_somewhere():
    for service in SERVICES.values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists()
    for condition in (one for service in SERVICES.values() for one in service.get("depends_on", {}).items()):
        if condition[1]["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[condition[0]]


def test_only_caddy_has_a_door_to_the_street_and_databases_have_none():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]
    assert (SERVICES["postgres"]["networks"], SERVICES["redis"]["networks"]) == (["inside"], ["inside"])
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_a_worker_has_time_to_finish_its_job():
    from workers.rq import JOB_TIMEOUT_S

    unit = (DEPLOY / "paywharf-work@.service").read_text()
    assert int(SERVICES["work"]["stop_grace_period"].removesuffix("s")) > JOB_TIMEOUT_S
    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > JOB_TIMEOUT_S
    assert "KillMode=mixed" in unit


def is_ignored(path: str) -> bool:
    """Apply .dockerignore: the last line that fits decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern, wanted = line.removeprefix("!"), not line.startswith("!")
        anywhere = pattern.startswith("**/")
        tried = [path, path.rsplit("/", 1)[-1]] if anywhere else [path, *(str(one) for one in Path(path).parents)]
        if any(fnmatch(one, pattern.removeprefix("**/")) for one in tried):
            ignored = wanted
    return ignored


def test_what_the_image_copies_is_there_and_nothing_private_goes_with_it():
    sources = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]

    assert [name for name in sources if not (ROOT / name).exists() or is_ignored(name)] == []
    private = ["var/master.key", "var/paywharf.db", ".git/config", "core/master.key", "workers/paywharf.env", ".env"]
    assert [name for name in private if not is_ignored(name)] == []


def test_the_image_holds_every_file_that_the_package_needs():
    """The build installs from these folders, editable: what git keeps in them is what runs."""
    copied = {word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]}
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    assert packages <= copied
    assert config["metadata"]["long_description"].removeprefix("file: ") in copied


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_what_exists_as_a_user_of_its_own(path: Path):
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(path)
    service = unit["Service"]
    words = service["ExecStart"].replace("'", " ").replace('"', " ").split()

    assert service["User"] == "paywharf" and service["UMask"] == "0077"
    assert service["NoNewPrivileges"] == "yes" and service["ProtectSystem"] == "strict"
    if words[0] == "/bin/sh":
        assert "/opt/paywharf/.venv/bin/paywharf" in words and words[words.index("backup") - 1].endswith("paywharf")
    else:
        check_command(words)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here; the units are parsed above")
def test_systemd_takes_the_units(tmp_path: Path):
    paths = [*UNITS, *DEPLOY.glob("*.timer")]
    for path in paths:
        there = path.read_text().replace("/opt/paywharf/.venv/bin/paywharf", "/bin/true").replace("%i", "1")
        there = re.sub(r"^(User|Group)=.*$", r"\1=root", there, flags=re.MULTILINE)
        (tmp_path / path.name).write_text(re.sub(r"Documentation=.*\n", "", there))

    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in paths)],
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "SYSTEMD_LOG_LEVEL": "warning"},
    )

    assert (run.returncode, run.stderr) == (0, "")

"""Broken plugins of strangers, beside one that works: nothing else stops, and commands and doctor say why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from core.app import create_app
from core.channels import service
from core.channels.reading import claim_calls, read_call
from core.channels.trouble import About, note_trouble
from core.cli import main
from core.cli.checkup import check_channels, check_plugins
from core.cli.roof import Roof
from core.contract import Answer
from core.hub import Hub
from core.ids import Mode
from core.models import ChannelCall, Delivery, Payment
from core.payments.controls import Scenario, simulate
from core.plugin_loader import load_plugins
from core.projects.service import get_project, set_mode
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import RecordingDoor
from tests.outbox.kit import drain

HEAD = "from marshmallow import Schema\nfrom core.contract import Adapter, PushResult, hookimpl\n"
ADAPTER = """
class One(Adapter):
    name = "{name}"
    settings_schema = Schema
    hears_all = True
    order_space = ""
    def verify(self, request): return "1"
    def parse(self, request): return []
    def push(self, update): {push}
@hookimpl
def register_adapters(): return [One]
"""
SOURCES = {
    "works": HEAD + ADAPTER.format(name="works", push="return PushResult.DONE") + """
import click, flask
pages = flask.Blueprint("works", __name__)
@pages.get("/hello")
def hello(): return "hello"
@hookimpl
def register_blueprints(): return [pages]
@hookimpl
def register_commands(cli):
    @cli.command()
    def greet():
        click.echo("good day")
""",
    "dies_at_import": "raise RuntimeError('no such library')",
    "dies_at_register": HEAD + "@hookimpl\ndef register_adapters(): raise KeyError('TOKEN')",
    "misspelt": HEAD + "@hookimpl\ndef regster_adapters(): return []",
    "dies_in_push": HEAD + ADAPTER.format(name="dies_in_push", push="raise MemoryError('too much')"),
    "dies_in_commands": HEAD + "@hookimpl\ndef register_commands(cli): raise OSError('gone')",
    "dies_in_pages": HEAD + "@hookimpl\ndef register_blueprints(): return ['no blueprint']",
}
REASONS = {
    "dies_at_import": "RuntimeError: no such library",
    "dies_at_register": "register_adapters raised KeyError: 'TOKEN'",
    "misspelt": "PluginValidationError: unknown hook 'regster_adapters'",
    "dies_in_commands": "register_commands raised OSError: gone",
    "dies_in_pages": "AttributeError: 'str' object has no attribute 'register'",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install every one of them, as pip would leave it."""
    for name, source in SOURCES.items():
        (tmp_path / f"stranger_{name}.py").write_text(source)
        info = tmp_path / f"stranger_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[paywharf]\n{name} = stranger_{name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in SOURCES:
        sys.modules.pop(f"stranger_{name}", None)


@pytest.fixture
def strange(hub: Hub, site: None) -> Hub:
    """A hub whose operator has enabled all of them."""
    hub.registry = load_plugins(list(SOURCES)).registry
    return hub


def run(hub: Hub, *arguments: str) -> Result:
    roof = Roof()
    roof.__dict__.update(settings=hub.settings, bare_hub=hub)
    return CliRunner().invoke(main, list(arguments), obj=roof)


def ask(hub: Hub, *arguments: str) -> Any:
    return json.loads(run(hub, *arguments, "--json").stdout)


def connected(hub: Hub, shop: Shop, adapter: str) -> str:
    with hub.database.transaction() as session:
        project = get_project(session, shop.project_id)
        set_mode(project, Mode.TEST)
        return service.connect(session, hub, project, adapter=adapter, name=adapter, settings={}).uid


def test_each_reason_is_shown_and_the_others_work(strange: Hub) -> None:
    client = create_app(hub=strange).test_client()

    shown = {row["name"]: row["broken"] for row in ask(strange, "plugins")}

    said = {name: reason for name, reason in shown.items() if reason}
    assert {name: reason[: len(REASONS[name])] for name, reason in said.items()} == REASONS
    assert run(strange, "plugins").exit_code == 1
    assert client.get("/plugins/works/hello").text == "hello"
    assert {"woocommerce", "works", "dies_in_push"} <= set(strange.registry.adapters)
    roof = Roof()
    roof.__dict__.update(settings=strange.settings, bare_hub=strange)
    assert sorted(one.sentence for one in check_plugins(roof)) == sorted(
        f"The plugin {name} was left out: {reason}." for name, reason in said.items()
    )


def test_one_that_raises_in_push_keeps_no_other_from_being_told(strange: Hub) -> None:
    shop = make_shop(strange, webhook_url=None)
    uids = [connected(strange, shop, adapter) for adapter in ("dies_in_push", "works")]
    payment = make_payment(strange, shop, mode=Mode.TEST)
    with strange.database.transaction() as session:
        simulate(session, strange, session.get_one(Payment, payment.id), Scenario.COMPLETE)

    assert sorted(drain(strange)) == [False, True]
    with strange.database.snapshot() as session:
        states = [(one.state, one.last_error) for one in session.scalars(select(Delivery).order_by(Delivery.id))]
    assert states == [("due", "The adapter dies_in_push failed in push: MemoryError: too much"), ("done", "")]
    assert {row["to"] for row in ask(strange, "delivery", "list")} == set(uids)


def test_commands_of_plugins_are_found_by_name(strange: Hub) -> None:
    strange.settings = replace(strange.settings, plugins=tuple(SOURCES))

    assert run(strange, "greet").output.splitlines()[-1] == "good day"
    assert run(strange, "no-such-command").exit_code == 2


def test_channels_are_managed_by_commands(strange: Hub) -> None:
    shop = make_shop(strange, webhook_url=None)
    project = str(shop.project_id)

    uid = ask(strange, "channels", "connect", project, "works")["channel_id"]

    assert ask(strange, "channels", "check", uid)["works"] is True
    assert [run(strange, "channels", act, uid).output for act in ("pause", "pause", "resume", "resume")] == [
        f"Channel {uid} is paused.\n", f"Channel {uid} was paused already.\n",
        f"Channel {uid} goes on; 0 kept updates are sent now.\n",
        f"Channel {uid} was neither paused nor given up: it goes on as before.\n",
    ]
    assert "is not connected by a code" in run(strange, "channels", "code", project, "works").output
    assert "left out, because broken (see paywharf plugins): dies_at_import" in run(
        strange, "channels", "connect", project, "dies_at_import"
    ).output
    assert ask(strange, "channels", "trace", uid, "on")["is_traced"] is True
    assert [row["channel_id"] for row in ask(strange, "channels", "list", "--project", project)] == [uid]
    assert ask(strange, "channels", "show", uid)["calls_waiting"] == 0
    assert ask(strange, "channels", "code", project, "woocommerce")["link"].startswith("https://hub.example/connect#")
    assert ask(strange, "channels", "set", uid)["state"] == "connected"
    assert ask(strange, "channels", "disconnect", uid)["state"] == "disconnected"
    assert run(strange, "channels", "list").output == "No channels.\n"
    assert run(strange, "channels", "show", "ch_none").exit_code == 1
    assert "NAME=VALUE" in run(strange, "channels", "connect", project, "works", "--set", "nothing").output
    unknown = Answer(401, b'{"ok": false, "error_code": 401, "description": "Unauthorized"}', 1)
    strange.http = RecordingDoor(lambda _: unknown)
    made_up = run(strange, "channels", "connect", project, "telegram", "--set", f"token=7:{'a' * 35}", "--json")
    assert (made_up.exit_code, json.loads(made_up.stdout)["works"]) == (1, False)
    assert "does not know this bot token" in json.loads(made_up.stdout)["trouble"]


def test_a_call_that_failed_is_listed_shown_and_read_again(strange: Hub) -> None:
    uid = connected(strange, make_shop(strange, webhook_url=None), "works")
    client = create_app(hub=strange).test_client()
    client.post(f"/channels/{uid}", data=b'{"order": 7}')
    with strange.database.transaction() as session:
        call = session.scalars(select(ChannelCall)).one()
        call.state, call.reason, call.done_at = "failed", "No such order.", strange.clock.now()

    [listed] = ask(strange, "channels", "calls", uid)

    assert (listed["call_id"], listed["delivery"], listed["reason"]) == (1, "1", "No such order.")
    assert ask(strange, "channels", "calls", uid, "--show", "1")["body"] == '{"order": 7}'
    assert ask(strange, "channels", "calls", uid, "--again", "1")["state"] == "due"
    assert [read_call(strange, claim) for claim in claim_calls(strange)] == [True]
    assert (ask(strange, "channels", "calls", uid), ask(strange, "channels", "calls", uid, "--all")[0]["state"]) == (
        [], "done",
    )
    assert "was read already" in run(strange, "channels", "calls", uid, "--again", "1").output
    assert "has no call 9" in run(strange, "channels", "calls", uid, "--show", "9").output


def test_a_dismissed_trouble_is_no_longer_said_at_its_channel(strange: Hub) -> None:
    uid = connected(strange, make_shop(strange, webhook_url=None), "works")
    with strange.database.transaction() as session:
        channel = service.get_channel(session, uid)
        note_trouble(session, strange, channel, "The token was revoked.")
        note_trouble(session, strange, channel, "Call 7 was given up.", About.LOST)
    assert ask(strange, "channels", "show", uid)["trouble"] == "The token was revoked. Call 7 was given up."

    run(strange, "dismiss-alarm", str(ask(strange, "alarms")[-1]["alarm_id"]))

    assert ask(strange, "channels", "show", uid)["trouble"] == "The token was revoked."


def test_doctor_names_channels_in_trouble(strange: Hub) -> None:
    shop = make_shop(strange, webhook_url=None)
    uid = connected(strange, shop, "works")
    lonely = connected(strange, shop, "dies_in_push")
    strange.registry = load_plugins(["works"]).registry
    with strange.database.transaction() as session:
        note_trouble(session, strange, service.get_channel(session, uid), "The token was revoked.")
    roof = Roof()
    roof.__dict__.update(settings=strange.settings, bare_hub=strange)

    assert [(one.state, one.sentence) for one in check_channels(roof)] == [
        ("warning", f"Channel {uid} (works): The token was revoked."),
        ("problem", f"Channel {lonely} (dies_in_push) has no plugin: nothing brings the adapter dies_in_push."),
    ]

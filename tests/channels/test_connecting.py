"""Connecting: settings judged by the adapter, a one-time code for a shop's plugin, and the plugins that are served."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import pytest

from core.app import create_app
from core.channels import connecting, service
from core.clock import ManualClock
from core.errors import InvalidField
from core.hub import Hub
from core.ids import Mode
from core.models import Channel
from core.plugin_loader import load_plugins
from core.projects.service import get_project, set_mode
from core.testing.factories import Shop, make_shop
from core.testing.hubs import RecordingDoor
from core.testing.merchant import MerchantClient
from core.testing.v1_merchant import V1Client
from tests.channels.kit import SECRET, Bench, make_bench, on_both

HOOK = "https://shop.example.com/wp-json/paywharf/v1/webhook"


@pytest.fixture
def bench(hub: Hub) -> Bench:
    return make_bench(hub)


@pytest.fixture
def shop(hub: Hub) -> Shop:
    """A shop of a hub with the bundled plugins."""
    hub.registry = load_plugins(bundled=["plugins.woocommerce"]).registry
    return make_shop(hub, webhook_url=None)


def code_for(hub: Hub, shop: Shop) -> str:
    with hub.database.transaction() as session:
        return connecting.make_code(session, hub, get_project(session, shop.project_id), adapter="woocommerce")


def exchange(hub: Hub, code: str, **more: Any) -> Any:
    told = {"code": code, "platform": "woocommerce", "website": "https://shop.example.com/shop", "webhook_url": HOOK}
    return create_app(hub=hub).test_client().post("/connect", json=told | more)


def v1(hub: Hub, shop: Shop, mode: str = "live") -> V1Client:
    key = shop.keys[mode]
    client = create_app(hub=hub).test_client()
    return V1Client(client, key.public_key, key.secret, lambda: int(hub.clock.now().timestamp()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "settings: secret: Missing data for required field."),
        ({"secret": 5}, "settings: secret: Not a valid string."),
        ({"secret": ""}, "settings: secret: must not be empty"),
        ({"secret": " "}, "settings: secret: must not be empty"),
        ({"secret": "s", "colour": "red"}, "settings: colour: Unknown field."),
    ],
)
def test_the_adapters_schema_judges_the_settings(bench: Bench, settings: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidField) as refused, bench.hub.database.transaction() as session:
        project = get_project(session, bench.shop.project_id)
        service.connect(session, bench.hub, project, adapter="market", name="x", settings=settings)

    assert refused.value.sentence == said


def test_secret_settings_are_sealed_and_change_alone(bench: Bench) -> None:
    assert SECRET not in bench.row().settings and SECRET.encode() not in bench.row().sealed

    with bench.hub.database.transaction() as session:
        row = service.get_channel(session, bench.channel.uid)
        service.change_settings(session, bench.hub, row, {"region": "us"})

    assert bench.row().settings == '{"region": "us"}'
    assert bench.call("other", "A").status_code == 200  # the secret is still there


def test_a_code_hands_a_shop_all_it_needs(hub: Hub, shop: Shop) -> None:
    answer = exchange(hub, code_for(hub, shop), webhook_url_twin="https://shop.example.com/?wc-api=paywharf",
                      versions={"php": "8.2"})

    given = answer.json
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    assert given["project"] == {
        "id": shop.project_id, "name": "Demo shop", "mode": "live", "website": "https://shop.example.com",
    }
    assert {mode: (one["key"], one["secret"]) for mode, one in given["keys"].items()} == {
        mode: (key.public_key, key.secret) for mode, key in shop.keys.items()
    }
    assert given["webhook_secret"].startswith("whsec_") and given["base_url"] == "https://hub.example"
    client = v1(hub, shop)
    ping = client.post(f"/channels/{given['channel']['id']}/ping")
    assert client.get(f"/deliveries/{ping.json['delivery_id']}").json["delivery"]["url"] == HOOK
    assert client.post(f"/channels/{given['channel']['id']}/disconnect").json["channel"]["state"] == "disconnected"


@on_both
def test_a_code_works_once_and_not_for_long(hub: Hub, shop: Shop, clock: ManualClock) -> None:
    used, old = code_for(hub, shop), code_for(hub, shop)
    assert exchange(hub, used).status_code == 200
    clock.advance(minutes=15.1)

    answers = [exchange(hub, code) for code in (used, old, "cc_guessed")]

    assert [(one.status_code, one.json["code"]) for one in answers] == [(404, "invalid_connect_code")] * 3
    assert len({one.data for one in answers}) == 1


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"website": "https://other.example.com"}, "website_mismatch"),
        ({"website": "http://127.0.0.1"}, "invalid_website"),
        ({"webhook_url": "https://127.0.0.1/hook"}, "egress_blocked"),
        ({"webhook_url": None}, "bad_payload"),
        ({"webhook_url": "javascript:alert(1)"}, "invalid_field"),
        ({"website": 5}, "bad_payload"),
    ],
)
def test_another_refusal_leaves_the_code_as_it_was(
    hub: Hub, shop: Shop, told: dict[str, object], code: str
) -> None:
    link = code_for(hub, shop)

    assert exchange(hub, link, **told).json["code"] == code
    assert exchange(hub, link).status_code == 200


@on_both
def test_the_same_shop_again_keeps_its_channel(hub: Hub, shop: Shop) -> None:
    first = exchange(hub, code_for(hub, shop)).json
    again = exchange(hub, code_for(hub, shop), webhook_url=f"{HOOK}/moved").json

    assert again["channel"] == first["channel"] and again["webhook_secret"] != first["webhook_secret"]
    with hub.database.snapshot() as session:
        assert [one.endpoint.url for one in service.list_channels(session)] == [f"{HOOK}/moved"]


def test_the_door_takes_json_alone(hub: Hub, shop: Shop) -> None:
    client = create_app(hub=hub).test_client()

    assert client.post("/connect", data="code=1").json["code"] == "unsupported_media_type"
    assert client.post("/connect", data="[]", content_type="application/json").json["code"] == "body_not_object"
    assert client.post("/connect", json={"code": "x" * 20_000}).json["code"] == "body_too_large"


def test_the_shops_plugin_is_knocked_at_without_a_signature(hub: Hub, shop: Shop) -> None:
    uid = exchange(hub, code_for(hub, shop)).json["channel"]["id"]

    said = {}
    for status in (401, 404, 200):
        hub.http = RecordingDoor(answer=_answering(status))
        said[status] = service.check_channel(hub, uid)

    assert said[401] == (True, "The shop's plugin answers, and refuses what is not signed.")
    assert said[404][0] is False and said[200][0] is False


def _answering(status: int) -> Any:
    from core.contract import Answer

    return lambda _: Answer(status, b"", 1)


def test_channels_over_the_api(bench: Bench) -> None:
    client = v1(bench.hub, bench.shop)
    made = client.post("/channels", {"adapter": "all", "name": "Second", "settings": {"secret": "s", "region": "x"}})
    uid = made.json["channel"]["channel_id"]

    assert made.status_code == 201 and made.json["channel"]["settings"] == {"region": "x"}
    assert [one["name"] for one in client.get("/channels").json["channels"]] == ["Our market", "Second"]
    states = [client.post(f"/channels/{uid}/{act}").json["channel"]["state"] for act in ("pause", "resume", "check")]
    assert states == ["paused", "connected", "connected"]
    assert client.post(f"/channels/{uid}/trace", {"on": True}).json["channel"]["is_traced"] is True
    assert client.post(f"/channels/{uid}/trace", {"on": "please"}).json["error"] == "on must be true or false."
    changed = client.post(f"/channels/{uid}/settings", {"settings": {"region": None}})
    assert changed.json["channel"]["settings"] == {}
    link = client.post("/channels/codes", {"adapter": "market"}).json["link"]
    assert link.startswith("https://hub.example/connect#cc_")
    assert client.post("/channels/codes", {"adapter": "none"}).json["code"] == "invalid_field"


def test_a_channel_of_another_project_is_not_there(bench: Bench) -> None:
    stranger = make_shop(bench.hub, website="https://other.example.com")
    client = v1(bench.hub, stranger)

    for act in ("pause", "resume", "check", "disconnect", "ping"):
        assert client.post(f"/channels/{bench.channel.uid}/{act}").json["code"] == "channel_not_found"
    assert client.get(f"/channels/{bench.channel.uid}").json["code"] == "channel_not_found"
    assert client.get("/channels").json["channels"] == []


def test_plugins_are_served_with_version_and_checksum(hub: Hub, shop: Shop) -> None:
    client = create_app(hub=hub).test_client()

    [listed] = client.get("/plugins/", headers={"Accept": "application/json"}).json["plugins"]
    page = client.get("/plugins/", headers={"Accept": "text/html,*/*;q=0.8"}).text
    fetched = client.get(listed["url"].removeprefix("https://hub.example"))

    assert hashlib.sha256(fetched.data).hexdigest() == listed["sha256"]
    assert (len(fetched.data), fetched.mimetype) == (listed["size"], "application/zip")
    assert listed["sha256"] in page and listed["version"] in page
    names = zipfile.ZipFile(io.BytesIO(fetched.data)).namelist()
    assert "paywharf/paywharf.php" in names and all(name.startswith("paywharf/") for name in names)
    assert client.get("/plugins/none.zip").json["code"] == "not_found"


def test_the_compatible_api_knows_nothing_of_channels(bench: Bench) -> None:
    key = bench.shop.keys["live"]
    merchant = MerchantClient(bench.client, key.public_key, key.secret)

    assert merchant.create({"order_id": "A", "amount": "50.00"}).status_code == 200
    assert len(bench.rows(Channel)) == 1


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.TEST])
def test_a_test_key_has_no_say_over_what_takes_live_orders(bench: Bench, mode: Mode) -> None:
    with bench.hub.database.transaction() as session:
        set_mode(get_project(session, bench.shop.project_id), mode)
    client, one = v1(bench.hub, bench.shop, "test"), f"/channels/{bench.channel.uid}"
    asked = [client.get(one), *[client.post(f"{one}/{act}") for act in ("pause", "resume", "check")]]
    asked.append(client.post(f"{one}/settings", {"settings": {}}))
    answers = {(answer.status_code, answer.json.get("code")) for answer in asked}

    is_live = mode is Mode.LIVE
    assert answers == ({(404, "channel_not_found")} if is_live else {(200, None)})
    assert len(client.get("/channels").json["channels"]) == (0 if is_live else 1)
    assert client.post(f"{one}/ping").status_code == 200  # a shop in test mode sees that this key's signature arrives
    made = client.post("/channels", {"adapter": "all", "name": "x", "settings": {"secret": "s"}})
    assert (made.status_code, made.json.get("code")) == ((403, "live_key_required") if is_live else (201, None))
    assert client.post("/channels/codes", {"adapter": "market"}).json["code"] == "live_key_required"
    assert client.post(f"{one}/disconnect").status_code == (404 if is_live else 200)

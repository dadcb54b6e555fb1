"""`paywharf endpoint` and `paywharf delivery`, on both databases."""

from __future__ import annotations

from core.hub import Hub
from core.http import Answer
from core.testing.factories import Shop, make_shop
from tests.cli.conftest import Ask, Run
from tests.outbox.kit import complete, drain

URL = "https://extra.example.com/hook"


def owing(hub: Hub) -> Shop:
    shop = make_shop(hub)
    complete(hub, shop)
    return shop


def test_an_endpoint_lives_its_life_by_commands(hub: Hub, run: Run, ask: Ask) -> None:
    shop = owing(hub)
    made = ask("endpoint", "create", str(shop.project_id), URL, "--event", "payment.late", "--schedule", "extended")
    uid = made["endpoint_id"]

    changed = ask("endpoint", "set", uid, "--event", "*", "--schedule", "standard")
    rotated = ask("endpoint", "rotate-secret", uid)
    disabled, enabled = ask("endpoint", "disable", uid), ask("endpoint", "enable", uid)
    later = run("endpoint", "list").output + run("endpoint", "set", uid).output

    assert (made["event_types"], made["schedule"], made["is_primary"]) == ("payment.late", "extended", False)
    assert (len(changed["event_types"].split()), changed["schedule"]) == (19, "standard")
    assert (disabled["enabled"], disabled["disabled_why"], enabled["enabled"]) == (False, "Its owner did.", True)
    assert {len(ask("endpoint", "list", "--project", "1")), len(ask("endpoint", "list"))} == {2}
    assert [secret for secret in (made["webhook_secret"], rotated["webhook_secret"]) if secret in later] == []


def test_a_ping_and_what_came_of_it(hub: Hub, ask: Ask) -> None:
    make_shop(hub)
    [endpoint] = ask("endpoint", "list")
    hub.http.answer = lambda _: Answer(418, b"teapot", 7, {"server": "pot"})

    sent = ask("endpoint", "ping", endpoint["endpoint_id"])
    drain(hub)
    shown = ask("delivery", "show", str(sent["delivery_id"]))

    assert (shown["type"], shown["payment_id"], shown["event_id"]) == ("test.ping", None, sent["event_id"])
    [tried] = shown["tries"]
    assert (tried["http_status"], tried["answer"], tried["answer_headers"]) == (418, "teapot", "server: pot")
    assert f"webhook-id: {sent['event_id']}" in tried["sent_headers"]
    assert shown["body"].startswith('{"type":"test.ping"')


def test_many_deliveries_are_found_and_sent_again(hub: Hub, run: Run, ask: Ask) -> None:
    owing(hub)
    drain(hub)
    [endpoint] = ask("endpoint", "list")

    assert ask("delivery", "replay", "--project", "1") == {"replayed": 0}  # none has failed
    before = ("--until", "2026-07-01")
    assert ask("delivery", "list", *before) == []
    to_endpoint = ("delivery", "replay", "--endpoint", endpoint["endpoint_id"], "--state", "done")
    assert ask(*to_endpoint, *before) == {"replayed": 0}
    assert ask("delivery", "replay", "--project", "1", "--state", "done", "--since", "2026-07-01") == {"replayed": 1}
    assert [row["state"] for row in ask("delivery", "list", "--type", "payment.paid")] == ["due"]
    refused = run("delivery", "replay")
    assert (refused.exit_code, "Say which project or endpoint is meant." in refused.output) == (1, True)


def test_what_nobody_knows_is_refused_in_a_sentence(hub: Hub, run: Run) -> None:
    make_shop(hub)

    for command, code in (
        (("endpoint", "ping", "ep_none"), 1), (("endpoint", "create", "9", URL), 1), (("delivery", "show", "99"), 1),
        (("endpoint", "create", "1", URL, "--event", "nonsense"), 1),
        (("endpoint", "create", "1", "https://127.0.0.1/"), 1),
        (("endpoint", "create", "1", URL, "--schedule", "never"), 2), (("delivery", "list", "--since", "yesterday"), 2),
    ):
        result = run(*command)
        assert (command, result.exit_code) == (command, code)
        assert "Error: " in result.output

"""What the commands do to a hub, on both databases."""

from __future__ import annotations

from core.clock import ManualClock
from core.http import GuardedHttp
from core.hub import Hub
from core.ids import Mode
from core.models import Credential, Delivery, Endpoint, Payment
from core.payments.controls import Scenario, simulate
from core.projects.keys import inbound_secrets, outbound_secret, webhook_secrets
from core.projects.service import credential_of, get_project
from core.testing.factories import make_payment, make_shop
from tests.cli.conftest import Ask, Run

WEBSITE, WEBHOOK = "https://shop.example.com", "https://hooks.example.com/paid"
ADDRESS = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
HOSTILE = ("\udcff", "\x1b[2J", "' OR 1=1 --", "９", "-1", "1e3", "99999999999999999999999", "", " ")
TAKES_TEXT = (
    "merchant create", "address add", "project show", "payment show", "delivery resend", "project set-website 1",
    "project set-webhook 1", "project set-mode 1", "project rotate-key 1", "project create --website",
    "project create --webhook-url", "project create --name", "delivery list --state", "payment list --limit",
)


def test_a_new_project_shows_its_keys_and_starts_in_test_mode(ask: Ask) -> None:
    ask("merchant", "create", "My company")

    made = ask("project", "create", "--website", WEBSITE, "--webhook-url", WEBHOOK)

    assert (made["project_id"], made["merchant_id"], made["mode"], made["disabled"]) == (1, 1, "test", False)
    assert (made["name"], made["website"], made["webhook_url"]) == ("shop.example.com", WEBSITE, WEBHOOK)
    assert made["keys"]["test"]["key"].startswith("pk_test_")
    assert made["keys"]["live"]["secret"].startswith("sk_live_")
    assert made["webhook_secret"].startswith("whsec_")


def test_secrets_are_shown_once_and_never_again(run: Run, ask: Ask) -> None:
    ask("merchant", "create", "My company")
    made = ask("project", "create", "--website", WEBSITE, "--webhook-url", WEBHOOK)
    secrets = [made["webhook_secret"], made["keys"]["test"]["secret"], made["keys"]["live"]["secret"]]

    later = "".join(run(*command).output for command in (
        ("project", "show", "1"), ("project", "show", "1", "--json"), ("project", "list", "--json"),
        ("project", "set-webhook", "1", WEBHOOK, "--json"), ("project", "set-mode", "1", "live", "--json"),
    ))

    assert [secret for secret in secrets if secret in later] == []
    assert ask("project", "show", "1")["keys"]["live"]["secret_last4"] == secrets[2][-4:]
    assert ask("project", "show", "1")["webhook_secret_last4"] == secrets[0][-4:]


def test_a_person_sees_each_new_secret_once(run: Run, ask: Ask) -> None:
    ask("merchant", "create", "My company")

    shown = run("project", "create", "--name", "Bot").output

    assert shown.count("sk_test_") == shown.count("sk_live_") == 1
    assert "shown this once" in shown


def test_the_only_merchant_need_not_be_named(run: Run, ask: Ask) -> None:
    assert "There is no merchant yet" in run("project", "create", "--name", "A").stderr
    ask("merchant", "create", "One")
    assert ask("project", "create", "--name", "A")["merchant_id"] == 1
    ask("merchant", "create", "Two")
    assert "--merchant" in run("project", "create", "--name", "B").stderr
    assert ask("project", "create", "--name", "B", "--merchant", "2")["merchant_id"] == 2
    assert [row["name"] for row in ask("merchant", "list")] == ["One", "Two"]


def test_a_project_needs_a_name_or_a_website(run: Run) -> None:
    result = run("project", "create")

    assert result.exit_code == 2
    assert "--name" in result.stderr


def test_settings_of_a_project_can_be_changed(ask: Ask) -> None:
    ask("merchant", "create", "My company")
    ask("project", "create", "--name", "A")

    assert ask("project", "set-website", "1", "shop.example.com")["website"] == WEBSITE
    assert ask("project", "set-webhook", "1", WEBHOOK)["webhook_secret"].startswith("whsec_")
    assert ask("project", "set-webhook", "1", WEBHOOK + "2")["webhook_secret"] is None
    assert ask("project", "set-mode", "1", "live")["mode"] == "live"
    assert ask("project", "disable", "1")["disabled"] is True
    assert ask("project", "enable", "1")["disabled"] is False
    assert ask("project", "show", "1")["webhook_url"] == WEBHOOK + "2"


def test_one_website_belongs_to_one_project(run: Run, ask: Ask) -> None:
    ask("merchant", "create", "My company")
    ask("project", "create", "--website", WEBSITE)

    result = run("project", "create", "--website", "https://www.shop.example.com/en")

    assert (result.exit_code, result.stderr) == (1, "Error: This website is already linked to another project.\n")


def test_a_rotated_key_signs_outbound_only_when_promoted(hub: Hub, clock: ManualClock, ask: Ask) -> None:
    """A12."""
    shop = make_shop(hub)
    old = shop.keys["live"].secret

    fresh = ask("project", "rotate-key", str(shop.project_id), "live")

    assert fresh["key"] == shop.keys["live"].public_key
    assert _secrets(hub, shop.project_id) == ([fresh["secret"], old], old)
    ask("project", "rotate-key", str(shop.project_id), "live", "--promote")
    assert _secrets(hub, shop.project_id) == ([fresh["secret"], old], fresh["secret"])


def test_both_webhook_secrets_sign_after_a_rotation(hub: Hub, ask: Ask) -> None:
    shop = make_shop(hub)

    fresh = ask("project", "rotate-webhook-secret", str(shop.project_id))["webhook_secret"]

    with hub.database.snapshot() as session:
        endpoint = session.query(Endpoint).one()
    assert webhook_secrets(endpoint, hub.vault, now=hub.clock.now()) == [fresh, shop.webhook_secret]


def test_an_address_is_watched_once(run: Run, ask: Ask) -> None:
    ask("merchant", "create", "My company")

    add = ("address", "add", ADDRESS, "--confirm", ADDRESS[-6:])
    assert ask(*add)["address"] == ADDRESS
    assert run(*add).stderr == "Error: This address is already registered in this hub.\n"
    assert "checksum" in run("address", "add", ADDRESS[:-1] + "u").stderr
    assert [row["address"] for row in ask("address", "list")] == [ADDRESS]


def test_a_payment_shows_its_events_and_deliveries(hub: Hub, run: Run, ask: Ask) -> None:
    shop = make_shop(hub)
    payment = _paid_test_payment(hub, shop)

    shown = ask("payment", "show", str(payment.payment_id))

    assert (shown["payment_id"], shown["status"], shown["public_status"]) == (payment.payment_id, "paid", "paid")
    assert (shown["order_id"], shown["amount"], shown["is_test"]) == ("ORDER_1", "50.00", True)
    assert [event["type"] for event in shown["events"]] == ["payment.created", "payment.paid"]
    assert [(row["state"], row["tries"]) for row in shown["deliveries"]] == [("due", [])]
    assert shown["transfers"] == []
    assert [row["payment_id"] for row in ask("payment", "list", "--project", str(shop.project_id))] == [
        payment.payment_id
    ]
    assert "payment.paid" in run("payment", "show", str(payment.payment_id)).stdout


def test_hostile_order_text_cannot_reach_the_terminal(hub: Hub, run: Run) -> None:
    payment = make_payment(hub, make_shop(hub), order_id="\x1b[2JORDER", mode=Mode.TEST)

    assert "\x1b" not in run("payment", "show", str(payment.payment_id)).stdout


def test_a_delivery_can_be_sent_again(hub: Hub, ask: Ask) -> None:
    payment = _paid_test_payment(hub, make_shop(hub))
    with hub.database.transaction() as session:
        delivery = session.query(Delivery).one()
        delivery.state, delivery.failures = "failed", 4

    row = ask("delivery", "list", "--state", "failed")[0]
    assert (row["payment_id"], row["type"], row["next_attempt_at"]) == (payment.payment_id, "payment.paid", None)
    assert ask("delivery", "resend", str(row["delivery_id"]))["state"] == "due"
    assert ask("delivery", "list", "--state", "failed") == []
    assert ask("delivery", "list", "--project", "1")[0]["failures"] == 0


def test_the_inbox_is_empty_at_first(run: Run, ask: Ask) -> None:
    assert ask("inbox", "list") == []
    assert run("inbox", "list").stdout == "The inbox is empty.\n"
    assert run("inbox", "list", "--decided").stdout == "Nothing was decided.\n"


def test_a_schema_that_is_there_is_left_alone(ask: Ask) -> None:
    """G1: an upgrade may be repeated."""
    assert ask("db", "upgrade") == ask("db", "upgrade")


def test_bad_input_never_ends_in_a_traceback(hub: Hub, run: Run) -> None:
    make_shop(hub)
    hub.http = GuardedHttp(clock=hub.clock, resolver=lambda _host, _port: ["93.184.216.34"])  # judges, connects nowhere

    results = [run(*command.split(), text) for command in TAKES_TEXT for text in HOSTILE]

    assert [result.exception for result in results if not isinstance(result.exception, SystemExit | None)] == []
    assert {result.exit_code for result in results} <= {0, 1, 2}
    assert all(result.stderr for result in results if result.exit_code)


def _secrets(hub: Hub, project_id: int) -> tuple[list[str], str]:
    with hub.database.snapshot() as session:
        row: Credential = credential_of(session, get_project(session, project_id), Mode.LIVE)
    now = hub.clock.now()
    return inbound_secrets(row, hub.vault, now=now), outbound_secret(row, hub.vault, now=now)


def _paid_test_payment(hub: Hub, shop) -> Payment:  # type: ignore[no-untyped-def]
    payment = make_payment(hub, shop, mode=Mode.TEST)
    with hub.database.transaction() as session:
        row = session.get_one(Payment, payment.id)
        simulate(session, hub, row, Scenario.COMPLETE)
    return row

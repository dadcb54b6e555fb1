"""A14, O5: no secret leaves through the log, wherever in a record it stands; ids of blocks and transactions do."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.app import create_app
from core.cli.logs import _formatter, redacted, secrets_in
from core.hub import Hub
from core.ids import Ids, Mode
from core.settings import NodeSettings
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import make_settings
from core.testing.merchant import MerchantClient
from tests.outbox.kit import complete, drain

FORMATS = ("json", "text")
HEX64 = "0123456789abcdef" * 4
around = st.text(max_size=12)
MAKERS = {
    "live key": lambda ids: ids.secret_key(Mode.LIVE),
    "test key": lambda ids: ids.secret_key(Mode.TEST),
    "webhook secret": lambda ids: ids.webhook_secret(),
    "private key": lambda ids: ids.hub_key(),
    "v1 signature": lambda ids: ids.hub_key() + ids.hub_key(),
}


def line(log_format: str, message: str, *args: object, secrets: tuple[str, ...] = (), **extra: object) -> str:
    """Format a record as a process of ours would."""
    record = logging.LogRecord("core.x", logging.INFO, "x.py", 1, message, args, None)
    record.__dict__.update(extra)
    return _formatter(log_format, secrets).format(record)


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=64, max_size=64), around, around, st.sampled_from(["message", "args", "extra", "nested"]))
def test_a_secret_is_gone_wherever_it_stands(
    kind: str, log_format: str, seed: bytes, before: str, after: str, where: str
):
    at = iter(range(10**9))
    secret = MAKERS[kind](Ids(lambda n: bytes((seed[next(at) % 64] + n) % 248 for _ in range(n))))
    text = f"{before} {secret} {after}"
    given_by: dict[str, Any] = {
        "message": (("{}".format(text).replace("%", "%%"),), {}),
        "args": (("got %s", text), {}),
        "extra": (("got",), {"note": text}),
        "nested": (("got",), {"note": {"a": [text]}}),
    }
    args, extra = given_by[where]

    written = line(log_format, *args, **extra)

    assert secret.split("_")[-1] not in written


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("header", ["X-Signature", "x-signature", "webhook-signature", "Authorization", "Cookie"])
def test_headers_that_authenticate_are_blacked_out(header: str, log_format: str):
    for text in (f"{header}: Bearer tok en=1; b=2", str({header: "tok en=1; b=2"}), json.dumps({header: "tok en=1"})):
        assert "en=1" not in line(log_format, "sent %s", text)


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("sentence", [
    f"devnet at http://127.0.0.1:9090, genesis block {HEX64}",
    f"transfer {HEX64} of block 5 was credited", f"Transaction {HEX64} moves", f"its genesis block is? block {HEX64}",
    f"genesis block {HEX64}; the node now has {HEX64}", f"txid={HEX64}", f'{{"txid": "{HEX64}"}}',
])
def test_ids_of_the_chain_stay_readable(sentence: str, log_format: str):
    assert HEX64 in line(log_format, sentence.replace("%", "%%"))


@pytest.mark.parametrize("text", [
    "https://hub.example/connect#AbCdEf0123456789abcdef", "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
    "redis://:p4ssw0rd@127.0.0.1:6379/0", f"key {HEX64}", f"sealed with 0x? {HEX64}{HEX64}",
])
def test_other_shapes_of_secrets(text: str):
    left = redacted(text)

    assert [part for part in ("AbCdEf", "AAHdq", "p4ssw0rd", HEX64) if part in left] == []


def test_what_stands_in_the_settings_is_blacked_out_word_for_word():
    key = bytes(range(32))
    base = make_settings("postgresql+psycopg://hub:p%40ssword-1@db/hub")
    node = NodeSettings("https://n", "https://n", api_keys=("11111111-2222-3333-4444-555555555555",))
    own = replace(
        base, metrics_token="metrics-token-1", redis_url="redis://:redis-pass-1@r:6379/0", master_keys=(("k1", key),),
        network=replace(base.network, nodes=(node,)),
    )
    words = ["metrics-token-1", "redis-pass-1", "p@ssword-1", node.api_keys[0], b64encode(key).decode(), key.hex()]

    written = line("json", "all of %s", " ".join(words), secrets=secrets_in(own))

    assert [word for word in words if word in written] == []
    assert "short" not in secrets_in(replace(own, metrics_token="short"))  # or every "short" would be gone


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_the_hub_logs_at_work_holds_a_secret(hub: Hub, caplog: pytest.LogCaptureFixture):
    """Even before it is redacted: keys, a wrong signature, a failing webhook, a bug in a request."""
    caplog.set_level(logging.DEBUG)
    shop = make_shop(hub)
    app = create_app(hub=hub)
    issued = shop.keys["live"]
    merchant = MerchantClient(app.test_client(), issued.public_key, issued.secret)
    merchant.create({"order_id": "A", "amount": "5.00"})
    merchant.create({"order_id": "B", "amount": "5.00"}, X_Signature="0" * 64)
    merchant.status("nonsense")
    payment = make_payment(hub, shop, order_id="C")
    app.test_client().get("/pay/", query_string={"id": payment.payment_id, "t": payment.page_token})
    hub.http.answer = lambda posted: 1 / 0  # type: ignore[attr-defined]
    complete(hub, shop, "D")
    with pytest.raises(ZeroDivisionError):
        drain(hub)

    def fail(*_: object) -> None:
        raise RuntimeError(f"with {issued.public_key}")

    hub.database.transaction = fail  # type: ignore[method-assign, assignment]
    assert merchant.create({"order_id": "E", "amount": "5.00"}).status_code == 500

    logged = "\n".join(logging.Formatter("%(message)s %(args)s").format(record) for record in caplog.records)
    assert "unexpected error" in logged
    secrets = [one.secret for one in shop.keys.values()] + [shop.webhook_secret, payment.page_token]
    assert [secret for secret in secrets if secret in logged] == []

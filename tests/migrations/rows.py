"""What a hub's database held at each schema revision: rows as the code of that day wrote them, every table with some.

`ROWS[revision]` has what the revision added: new rows, and new columns of earlier rows. A row is found by its table and
its primary key. A revision that adds a table or a column without a default needs its rows here.
"""

from __future__ import annotations

from typing import Any

from core.chain.addresses import address_of
from core.chain.xpub import xpub_place
from core.clock import to_millis
from core.payments.numbers import PLACE
from core.projects.keys import credential_place, endpoint_place
from core.projects.receiving import held_key_place
from core.projects.vault import Vault, fingerprint
from core.testing.chains import GENESIS
from core.testing.hubs import START, TEST_KEYS

Values = dict[str, Any]
Rows = dict[tuple[str, Any], Values]

NOW = to_millis(START)
HOUR = 3_600_000
HEIGHT = 3  # of the last block applied
OWN, HELD, DERIVED = (address_of(bytes([n]) * 20) for n in (1, 2, 3))
SECRETS = {"test": "sk_test_" + "a" * 40, "live": "sk_live_" + "b" * 40}
WEBHOOK_SECRET = "whsec_" + "QUFB" * 10 + "QUE="
XPUB = (
    "xpub6D1AabNHCupeiLM65ZR9UStMhJ1vCpyV4XbZdyhMZBiJXALQtmn9p42VTQckoHVn8WNqS7dqnJokZHAHcHGoaQgmv8D45oNUKx6DZMNZBCd"
)
VAULT = Vault(TEST_KEYS)
BODY = b'{"payment_id":502,"status":"paid"}'


def _credential(id: int, mode: str) -> Values:
    key = f"pk_{mode}_old"
    return {
        "id": id, "project_id": 1, "mode": mode, "public_key": key,
        "secret": VAULT.seal(SECRETS[mode], place=credential_place(key)), "secret_last4": SECRETS[mode][-4:],
        "secret_fingerprint": fingerprint(SECRETS[mode]), "old_signs": 0, "created_at": NOW,
    }


def _address(id: int, address: Any, kind: str) -> Values:
    return {
        "id": id, "merchant_id": 1, "kind": kind, "base58": address.base58, "raw20": address.raw20, "label": "Till",
        "created_at": NOW - HOUR,
    }


def _payment(id: int, order_id: str, status: str, **more: Any) -> Values:
    usual = {
        "id": id, "payment_id": 500 + id, "project_id": 1, "credential_id": 2, "is_test": 0, "order_id": order_id,
        "amount_units": 50_000_000, "amount_text": "50.00", "pay_units": 50_000_000 + id * 100, "address": OWN.base58,
        "reservation_id": id, "description": "Two tickets", "page_token": f"token{id:017}", "status": status,
        "anomaly": "none", "version": 2, "created_at": NOW - HOUR, "expires_at": NOW + HOUR,
    }
    return usual | more


def _reservation(id: int, *, released_at: int | None = None) -> Values:
    return {
        "id": id, "address_id": 1, "pay_units": 50_000_000 + id * 100, "from_height": 1,
        "held_until": NOW + 24 * HOUR, "released_at": released_at,
    }


def _transfer(id: int, units: int, bucket: str, payment_id: int | None) -> Values:
    return {
        "id": id, "genesis_id": GENESIS, "txid": f"01d{id:061}", "log_index": 0, "height": 2,
        "block_time": NOW - 50_000,
        "sender": OWN.base58, "address_id": 1, "units": units, "bucket": bucket, "payment_id": payment_id,
        "recorded_at": NOW,
    }


def _booked(id: int, source: str, account: str, units: int) -> Values:
    return {"id": id, "source": source, "account": account, "units": units, "booked_at": NOW}


def _event(id: int, payment_id: int, number: int, kind: str) -> Values:
    return {
        "id": id, "event_id": f"evt_{id}", "payment_id": payment_id, "number": number, "type": kind, "note": "",
        "created_at": NOW,
    }


def _delivery(id: int, event_id: int, state: str) -> Values:
    return {
        "id": id, "event_id": event_id, "endpoint_id": 1, "body": BODY, "state": state, "attempts": 1, "failures": 1,
        "next_attempt_at": NOW, "lease_until": 0, "lease_token": "", "last_error": "HTTP 500", "created_at": NOW,
        "done_at": NOW if state == "done" else None,
    }


PAID = {"paid_at": NOW - 50_000, "txid": f"01d{1:061}"}
ROWS: dict[str, Rows] = {
    "0001": {
        ("cursor", GENESIS): {
            "genesis_id": GENESIS, "network": "devnet", "height": HEIGHT, "block_time": NOW - 51_000,
            "head_height": HEIGHT, "updated_at": NOW,
        },
        ("hub_secret", "payment_id_key"): {"name": "payment_id_key", "value": VAULT.seal("5a" * 32, place=PLACE)},
        ("merchant", 1): {"id": 1, "name": "Company", "created_at": NOW - HOUR},
        ("project", 1): {
            "id": 1, "merchant_id": 1, "name": "Shop", "website_url": "https://shop.example.com",
            "website_host": "shop.example.com", "mode": "live", "window_s": 1800, "late_window_s": 86400,
            "created_at": NOW - HOUR,
        },
        ("credential", 1): _credential(1, "test"),
        ("credential", 2): _credential(2, "live"),
        ("address", 1): _address(1, OWN, "own"),
        ("endpoint", 1): {
            "id": 1, "project_id": 1, "uid": "ep_old", "url": "https://hooks.example.com/paywharf",
            "secret": VAULT.seal(WEBHOOK_SECRET, place=endpoint_place("ep_old")), "enabled": 1, "created_at": NOW,
        },
        ("reservation", 1): _reservation(1),
        ("reservation", 2): _reservation(2, released_at=NOW),
        ("reservation", 3): _reservation(3),
        ("reservation", 5): _reservation(5),
        ("payment", 1): _payment(1, "OPEN", "pending"),
        ("payment", 2): _payment(2, "PAID", "paid", **PAID),
        ("payment", 3): _payment(3, "SHORT", "expired", anomaly="underpaid", expires_at=NOW - HOUR),
        ("payment", 4): _payment(
            4, "TEST", "paid", is_test=1, credential_id=1, reservation_id=None, simulated="complete", paid_at=NOW,
            txid="test_1",
        ),
        ("payment", 5): _payment(5, "GIVEN-UP", "canceled", cancel_requested_at=NOW),
        ("transfer", 1): _transfer(1, 50_000_200, "matched", 2),
        ("transfer", 2): _transfer(2, 49_000_000, "underpaid", 3),
        ("transfer", 3): _transfer(3, 7_000_000, "unknown", None),
        ("journal_entry", 1): _booked(1, "transfer:1", f"chain:{OWN.base58}", 50_000_200),
        ("journal_entry", 2): _booked(2, "transfer:1", "project:1", -50_000_200),
        ("journal_entry", 3): _booked(3, "transfer:2", f"chain:{OWN.base58}", 49_000_000),
        ("journal_entry", 4): _booked(4, "transfer:2", "project:1", -49_000_000),
        ("journal_entry", 5): _booked(5, "transfer:3", f"chain:{OWN.base58}", 7_000_000),
        ("journal_entry", 6): _booked(6, "transfer:3", "unassigned:1", -7_000_000),
        ("event", 1): _event(1, 1, 1, "payment.created"),
        ("event", 2): _event(2, 2, 1, "payment.created"),
        ("event", 3): _event(3, 2, 2, "payment.paid"),
        ("event", 4): _event(4, 4, 1, "payment.paid"),
        ("delivery", 1): _delivery(1, 3, "due"),
        ("delivery", 2): _delivery(2, 4, "done"),
        ("attempt", 1): {
            "id": 1, "delivery_id": 1, "number": 1, "started_at": NOW, "elapsed_ms": 30, "http_status": 500,
            "error": "HTTP 500", "answer_excerpt": "oops",
        },
        ("sighting", 1): {
            "payment_id": 1, "txid": "f" * 64, "height": HEIGHT + 1, "block_time": NOW, "seen_at": NOW,
        },
        ("scan_count", "fake_token"): {"kind": "fake_token", "seen": 4},
        ("scanned_range", 1): {
            "id": 1, "genesis_id": GENESIS, "from_height": 1, "to_height": HEIGHT, "provider": "node", "started_at": 1,
            "updated_at": NOW,
        },
    },
    "0002": {
        ("account_xpub", 1): {
            "id": 1, "merchant_id": 1, "fingerprint": fingerprint(XPUB),
            "xpub": VAULT.seal(XPUB, place=xpub_place(fingerprint(XPUB))), "next_index": 1, "label": "",
            "created_at": NOW, "retired_at": NOW,
        },
        ("address", 2): _address(2, HELD, "held") | {
            "sealed_key": VAULT.seal("11" * 32, place=held_key_place(HELD.base58))
        },
        ("address", 3): _address(3, DERIVED, "derived") | {"xpub_id": 1, "derivation_index": 0},
        ("alarm", 1): {
            "id": 1, "kind": "first_payment", "subject": OWN.base58, "sentence": "Look.", "times": 1, "raised_at": NOW,
            "last_at": NOW,
        },
        ("log_check", 1): {
            "id": 1, "genesis_id": GENESIS, "from_height": 1, "to_height": HEIGHT, "provider": "node", "found": 3,
            "differences": 0, "checked_at": NOW,
        },
        ("outgoing", 1): {
            "id": 1, "genesis_id": GENESIS, "txid": "e" * 64, "log_index": 0, "height": 2, "block_time": NOW,
            "address_id": 1, "recipient": HELD.base58, "units": 5_000_000, "recorded_at": NOW,
        },
        ("transfer", 4): _transfer(4, 9_000_000, "late", 5) | {
            "address_id": 2, "block_id": "0" * 64, "block_index": 0, "raw_log": "{}", "verified_at": NOW,
        },
        ("journal_entry", 7): _booked(7, "transfer:4", f"chain:{HELD.base58}", 9_000_000),
        ("journal_entry", 8): _booked(8, "transfer:4", "project:1", -9_000_000),
        ("cursor", GENESIS): {"solid_height": HEIGHT, "fence": 7},
    },
    "0003": {
        ("inbox_act", 1): {
            "id": 1, "transfer_id": 3, "act": "ignored", "actor": "Ann", "note": "dust", "closes": 1, "created_at": NOW,
        },
        ("transfer", 3): {"resolved_at": NOW, "resolution": "ignored"},
        ("project", 1): {"tolerance_units": 10_000, "late_accept_s": 60, "addressing": "shared"},
        ("journal_entry", 8): {"account": "project:1:held"},
    },
    "0005": {
        ("request_nonce", "n"): {"credential_id": 2, "nonce": "n" * 20, "expires_at": NOW + HOUR},
        ("rate_bucket", 2): {"credential_id": 2, "full_at_ms": NOW},
        ("idempotency_key", 1): {
            "id": 1, "credential_id": 2, "key": "k", "fingerprint": "f" * 64, "held_until": NOW,
            "expires_at": NOW + HOUR, "http_status": 200, "answer": b"{}",
        },
        ("event", 1): {"project_id": 1, "is_test": 0, "position": 1},
        ("event", 2): {"project_id": 1, "is_test": 0, "position": 2},
        ("event", 3): {"project_id": 1, "is_test": 0},
        ("event", 4): {"project_id": 1, "is_test": 1},
    },
    "0004": {
        ("endpoint", 1): {"is_primary": 1, "event_types": "payment.paid", "schedule": "standard", "disabled_why": ""},
        ("endpoint", 2): {
            "id": 2, "project_id": 1, "uid": "ep_more", "url": "https://more.example.com", "enabled": 0,
            "is_primary": 0, "secret": VAULT.seal(WEBHOOK_SECRET, place=endpoint_place("ep_more")), "created_at": NOW,
            "event_types": "payment.late payment.paid", "schedule": "extended", "disabled_why": "HTTP 410",
            "failing_since": NOW,
        },
        ("delivery", 1): {"credential_id": 2, "message_id": "evt_3", "type": "payment.paid"},
        ("delivery", 2): {"credential_id": 1, "message_id": "evt_4", "type": "payment.paid"},
        ("attempt", 1): {"sent_headers": "webhook-id: evt_3", "answer_headers": ""},
    },
    "0007": {("project", 1): {"test_now": NOW}},
    "0008": {
        ("lead", 1): {
            "id": 1, "payment_id": 1, "txid": "a" * 64, "finding": "not_found", "looks": 1, "look_at": None,
            "asked_at": NOW, "found_at": NOW,
        },
        ("form_bucket", "p"): {"subject": "payment:1", "full_at_ms": NOW},
    },
    "0015": {
        ("refund", 1): {
            "id": 1, "transfer_id": 3, "payment_id": None, "units": 7_000_000, "state": "addressed",
            "token_hash": "d" * 64, "expires_at": NOW + HOUR, "recipient": HELD.base58, "why": "", "looks": 0,
            "created_at": NOW, "changed_at": NOW,
        },
        ("refund_step", 1): {
            "id": 1, "refund_id": 1, "state": "requested", "actor": "cli:anna", "note": "", "created_at": NOW,
        },
    },
    "0010": {
        ("channel", 1): {
            "id": 1, "uid": "ch_old", "project_id": 1, "endpoint_id": 2, "adapter": "gone", "name": "Shop",
            "settings": "{}", "sealed": VAULT.seal("{}", place="channel:ch_old:settings"), "site": "shop.example.com",
            "trouble": "", "pushes": 0, "hears_all": 1, "is_traced": 0, "poll_failures": 0, "check_says": "",
            "created_at": NOW,
        },
        ("channel_call", 1): {
            "id": 1, "channel_id": 1, "delivery_key": "id:1", "method": "POST", "path": "", "query": "{}",
            "headers": "{}", "body": BODY, "received_at": NOW, "state": "done", "reason": "", "claims": 1,
            "failures": 0, "look_at": NOW, "lease_until": 0, "lease_token": "", "done_at": NOW,
        },
        ("channel_payment", 1): {"payment_id": 1, "channel_id": 1, "details": "{}"},
        ("channel_value", "k"): {"channel_id": 1, "key": "k", "clear": "v"},
        ("connect_code", "c"): {
            "digest": "c" * 64, "project_id": 1, "adapter": "gone", "expires_at": NOW, "created_at": NOW,
        },
    },
    "0013": {("transfer", number): {"project_id": 1} for number in (1, 2, 4)},
    "0009": {
        ("payment", 5): {
            "price_text": "46.00", "price_currency": "EUR", "rate": "0.92", "rate_sources": "kraken", "rate_at": NOW,
        },
        ("project", 1): {"reporting_currency": "EUR"},
        ("rate", "r"): {"currency": "EUR", "source": "kraken", "price": "0.92", "at": NOW, "heard_at": NOW},
        ("rate_asking", "r"): {"source": "kraken", "ask_at": NOW, "asked_at": NOW, "error": ""},
        ("rate_hour", "r"): {"currency": "EUR", "hour": 1, "price": "0.92", "at": NOW, "sources": "kraken"},
    },
    "0012": {
        ("account_total", "own"): {"account": "project:1", "units": -99_000_200},
        ("account_total", "held"): {"account": "project:1:held", "units": -9_000_000},
        ("account_total", "open"): {"account": "unassigned:1", "units": -7_000_000},
    },
    "0016": {
        ("channel_member", "7"): {
            "channel_id": 1, "person": "7", "name": "Olga", "role": "owner", "created_at": NOW,
        },
        ("channel_invite", "i"): {
            "digest": "f" * 64, "channel_id": 1, "role": "viewer", "expires_at": NOW, "created_at": NOW,
        },
        ("notice", 1): {
            "id": 1, "channel_id": 1, "key": "transfer:2:late", "kind": "inbox", "facts": "{}", "created_at": NOW,
        },
    },
    "0020": {
        ("refund", 1): {"merchant_id": 1, "after_height": 2},
        ("refund", 2): {
            "id": 2, "transfer_id": None, "payment_id": 2, "merchant_id": 1, "after_height": 2, "units": 1_000_000,
            "state": "requested", "token_hash": "e" * 64, "expires_at": NOW + HOUR, "why": "", "looks": 0,
            "created_at": NOW, "changed_at": NOW,
        },
        ("refund_limit", 2): {"payment_id": 2, "received_units": 50_000_200, "promised_units": 1_000_000},
        ("event", 5): _event(5, 2, 3, "refund.requested") | {"project_id": 1, "is_test": 0, "refund_id": 2},
    },
}


def rows_at(revisions: list[str]) -> list[tuple[str, Values]]:
    """Give the rows of a database that has come through these revisions, each after those that it points at."""
    merged: Rows = {}
    for revision in revisions:
        for key, values in ROWS.get(revision, {}).items():
            merged[key] = merged.get(key, {}) | values
    return [(table, values) for (table, _), values in merged.items()]

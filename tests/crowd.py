"""Fill a database with payments by the thousand or the million, in the database's own SQL: rows, not services.

All of them belong to one shop, the hardest case: its project has every order, its address every amount. Prices are
spread over 100,000 sums, so that a million payments take about ten tags of each.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.clock import to_millis
from core.db import patient
from core.hub import Hub
from core.ids import Mode
from core.models import Credential
from core.projects.service import credential_of, get_project
from core.testing.factories import Shop

FIRST_PAYMENT_ID = 2_147_483_648 + 1
STAYS_OPEN = timedelta(days=7)  # so that a test's own payment expires alone
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
NUMBER = "CAST(i AS TEXT)"
TWENTY_DIGITS = f"substr('00000000000000000000' || {NUMBER}, length({NUMBER}) + 1)"

RESERVATIONS = f"""
    INSERT INTO reservation (id, address_id, pay_units, from_height, held_until, released_at)
    {NUMBERS} SELECT i, :address_id, 10000000 + i % 100000 * 10000 + 100 * (1 + i / 100000), 0, :held_until,
        CASE WHEN :status = 'expired' THEN :held_until END
    FROM n WHERE i > :already"""
PAYMENTS = f"""
    INSERT INTO payment (id, payment_id, project_id, credential_id, is_test, order_id, amount_units, amount_text,
        pay_units, address, reservation_id, description, page_token, status, anomaly, version, created_at, expires_at,
        paid_at, txid)
    {NUMBERS} SELECT i, 2147483648 + i, :project_id, :credential_id, 0, 'CROWD-' || {NUMBER},
        10000000 + i % 100000 * 10000, 'crowd', 10000000 + i % 100000 * 10000 + 100 * (1 + i / 100000), :base58, i,
        '', 'crowd', :status, 'none', 1, :now, :expires_at, CASE WHEN :status = 'paid' THEN :now END,
        CASE WHEN :status = 'paid' THEN 'crowd-' || {NUMBER} END
    FROM n WHERE i > :already"""
EVENTS = f"""
    INSERT INTO event (id, event_id, payment_id, number, type, note, created_at, project_id, is_test,
        position)
    {NUMBERS} SELECT i, 'evt_crowd_' || {NUMBER}, i, 1, 'payment.created', '', :now, :project_id, 0, i
    FROM n WHERE i > :already"""
DELIVERIES = f"""
    INSERT INTO delivery (id, event_id, endpoint_id, credential_id, message_id, type, body, state, attempts, failures,
        next_attempt_at, lease_until, lease_token, last_error, created_at)
    {NUMBERS} SELECT i, i, (SELECT id FROM endpoint WHERE project_id = :project_id), :credential_id,
        'evt_crowd_' || {NUMBER}, 'payment.paid', :body, 'due', 0, 0, :now + i, 0,
        '', '', :now
    FROM n WHERE i > :already"""
TRANSFERS = f"""
    INSERT INTO transfer (id, genesis_id, txid, log_index, height, block_time, sender, address_id, units, bucket,
        payment_id, project_id, recorded_at)
    {NUMBERS} SELECT i, (SELECT genesis_id FROM cursor), 'crowd-' || {NUMBER}, 0, 1, :now, :base58, :address_id,
        10000000, 'matched', i, (SELECT project_id FROM payment WHERE payment.id = i), :now
    FROM n WHERE i > :already"""
JOURNAL = f"""
    INSERT INTO journal_entry (source, account, units, booked_at)
    {NUMBERS} SELECT 'crowd:' || {NUMBER}, 'project:' || CAST(:project_id AS TEXT), -10000000, :now
    FROM n WHERE i > :already
    UNION ALL SELECT 'crowd:' || {NUMBER}, 'chain:crowd', 10000000, :now FROM n WHERE i > :already"""
TOTAL = """
    INSERT INTO account_total (account, units)
    VALUES ('project:' || CAST(:project_id AS TEXT), -10000000 * (CAST(:many AS BIGINT) - :already))
    ON CONFLICT (account) DO UPDATE SET units = account_total.units + excluded.units"""
REFUNDS = f"""
    INSERT INTO refund (id, payment_id, merchant_id, after_height, units, state, recipient, txid, log_index, why, looks,
        created_at, changed_at)
    {NUMBERS} SELECT i, i, :merchant_id, 1, 1000000, 'verified', 'crowd', 'back-' || {NUMBER}, 0, '', 1, :now, :now
    FROM n WHERE i > :already"""
CHANNELS = (
    f"""INSERT INTO endpoint (id, project_id, uid, url, secret, enabled, is_primary, event_types, schedule,
        disabled_why, created_at)
    {NUMBERS} SELECT 100000 + i, :project_id, 'ep_crowd' || {NUMBER}, '', :secret, 1, 0, '', 'standard', '', :now
    FROM n WHERE i < 3""",
    f"""INSERT INTO channel (id, uid, project_id, endpoint_id, adapter, name, settings, sealed, site, trouble, pushes,
        hears_all, is_traced, poll_failures, check_says, created_at)
    {NUMBERS} SELECT i, 'ch_crowd' || {NUMBER}, :project_id, 100000 + i, 'gone', 'Shop', '{{}}', :secret, '', '', 0, 0,
        0, 0, '', :now FROM n WHERE i < 3""",
    f"""INSERT INTO channel_call (channel_id, delivery_key, method, path, query, headers, body, received_at, state,
        reason, claims, failures, look_at, lease_until, lease_token, done_at)
    {NUMBERS} SELECT 1, {NUMBER}, 'POST', '', '{{}}', '{{}}', :secret, :now, 'done', '', 1, 0, :now, 0, '', :now
    FROM n""",
    f"INSERT INTO channel_payment (payment_id, channel_id, details) {NUMBERS} SELECT i, 1, '{{}}' FROM n",
)
ADDRESSES = """
    INSERT INTO address (merchant_id, kind, base58, raw20, label, created_at)
    {numbers} SELECT :merchant_id, 'own', 'crowd-' || {number}, CAST({digits} AS {bytes_type}), '', :now
    FROM n WHERE i > :already"""

MERCHANTS = (
    f"INSERT INTO merchant (id, name, created_at) {NUMBERS} SELECT 1000 + i, 'Neighbour', :now FROM n",
    f"""INSERT INTO project (id, merchant_id, name, website_url, website_host, mode, window_s, late_window_s,
        created_at)
    {NUMBERS} SELECT 1000 + i, 1000 + i, 'Shop', 'https://n' || {NUMBER} || '.example.com',
        'n' || {NUMBER} || '.example.com', 'live', 1800, 86400, :now FROM n""",
    f"""INSERT INTO credential (project_id, mode, public_key, secret, secret_last4, secret_fingerprint, old_signs,
        created_at)
    {NUMBERS} SELECT 1000 + i, 'live', 'pk_live_crowd' || {NUMBER}, :secret, '0000', 'crowd', 0, :now FROM n""",
    ADDRESSES.replace(":merchant_id", "1000 + i"),
)


def add_payments(hub: Hub, shop: Shop, *, already: int, up_to: int, status: str = "pending") -> None:
    """Add live payments number already + 1 to up_to, each with its reservation and first event, to a database.

    status: pending; expired, with a reservation that was released; or paid, with a transfer, its booking and a delivery
    due later.
    The numbers are the rows' ids: the crowd comes before every other payment.
    """
    with hub.database.transaction() as session:
        values = _values(session, hub, shop) | {"already": already, "many": up_to, "status": status}
        kinds = [RESERVATIONS, PAYMENTS, EVENTS] + ([TRANSFERS, JOURNAL, TOTAL, DELIVERIES] if status == "paid" else [])
        patient(session.connection())
        for statement in kinds:
            session.execute(text(statement), values)
        _wind_sequences(session, hub)
    analyze(hub)


def add_refunds(hub: Hub, shop: Shop, *, up_to: int) -> None:
    """Refund part of each of the first payments of the crowd, long ago."""
    with hub.database.transaction() as session:
        values = _values(session, hub, shop) | {"merchant_id": shop.merchant_id, "already": 0, "many": up_to}
        session.execute(text(REFUNDS), values)
        _wind_sequences(session, hub)
    analyze(hub)


def add_channel_past(hub: Hub, shop: Shop, *, up_to: int) -> None:
    """Give a shop's project two channels, and one of them a past of calls and of payments that they opened."""
    with hub.database.transaction() as session:
        values = _values(session, hub, shop) | {"many": up_to, "secret": b"sealed"}
        for statement in CHANNELS:
            session.execute(text(statement), values)
    analyze(hub)


def add_addresses(hub: Hub, *, merchant_id: int, already: int, up_to: int) -> None:
    """Watch addresses number already + 1 to up_to of a merchant; nobody has their keys."""
    bytes_type = "BLOB" if hub.database.is_sqlite else "BYTEA"
    statement = ADDRESSES.format(numbers=NUMBERS, number=NUMBER, digits=TWENTY_DIGITS, bytes_type=bytes_type)
    values = {"merchant_id": merchant_id, "now": to_millis(hub.clock.now()), "already": already, "many": up_to}
    with hub.database.transaction() as session:
        session.execute(text(statement), values)
    analyze(hub)


def add_merchants(hub: Hub, *, many: int) -> None:
    """Add merchants number 1,001 and up, each with a project, a live key nobody has and an address."""
    bytes_type = "BLOB" if hub.database.is_sqlite else "BYTEA"
    values = {"now": to_millis(hub.clock.now()), "many": many, "already": 0, "secret": b"sealed"}
    with hub.database.transaction() as session:
        for statement in MERCHANTS:
            filled = statement.format(numbers=NUMBERS, number=NUMBER, digits=TWENTY_DIGITS, bytes_type=bytes_type)
            session.execute(text(filled), values)
    analyze(hub)


def analyze(hub: Hub) -> None:
    """Let the planner know the crowd, as PostgreSQL's autovacuum does; SQLite's plans must not need it."""
    if not hub.database.is_sqlite:
        with hub.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _values(session: Session, hub: Hub, shop: Shop) -> dict[str, object]:
    assert shop.address is not None
    project = get_project(session, shop.project_id)
    credential: Credential = credential_of(session, project, Mode.LIVE)
    now = hub.clock.now()
    return {
        "project_id": shop.project_id,
        "credential_id": credential.id,
        "address_id": shop.address.id,
        "base58": shop.address.base58,
        "body": b"{}",
        "now": to_millis(now),
        "expires_at": to_millis(now + STAYS_OPEN),
        "held_until": to_millis(now + STAYS_OPEN),
    }


def _wind_sequences(session: Session, hub: Hub) -> None:
    """PostgreSQL counts apart from the rows; SQLite reads the highest id."""
    if hub.database.is_sqlite:
        return
    for table in ("reservation", "payment", "event", "transfer", "delivery", "refund"):
        session.execute(text(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT coalesce(max(id), 1) FROM {table}))"
        ))

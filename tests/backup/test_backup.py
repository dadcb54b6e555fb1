"""A backup is of one moment, is believed only whole, and loses no payment when it comes back (G4, K2, K8)."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from core.backup import archive, restoring, taking
from core.backup.archive import BadBackup
from core.chain.scanner import Scanner
from core.clock import ManualClock
from core.db import open_database
from core.errors import SchemaMismatch, WrongNetwork
from core.hub import Hub
from core.ids import Mode
from core.ledger import journal
from core.migrations import check_schema
from core.models import Address, Cursor, Delivery, Event, Payment, Transfer
from core.outbox.stream import Stream, after, newest, place
from core.projects import receiving
from core.projects.vault import Vault
from core.testing.chains import FakeChain
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, TEST_CONTRACT, make_hub
from tests.conftest import KINDS, fresh_postgresql
from tests.outbox.kit import complete, drain

pytestmark = pytest.mark.slow

XPUB = (
    "xpub6D1AabNHCupeiLM65ZR9UStMhJ1vCpyV4XbZdyhMZBiJXALQtmn9p42VTQckoHVn8WNqS7dqnJokZHAHcHGoaQgmv8D45oNUKx6DZMNZBCd"
)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the database does not matter
MOVED = {"alembic_version", "cursor", "event", "hub_secret", "address", "account_xpub"}  # on purpose, by a restore


@pytest.fixture
def chain() -> FakeChain:
    made = FakeChain(TEST_CONTRACT, START - timedelta(minutes=1))
    made.skip(3)
    return made


@pytest.fixture
def shop(hub: Hub) -> Shop:
    return make_shop(hub)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hub.backup"


@pytest.fixture
def empty(tmp_path: Path, clock: ManualClock) -> Iterator[Hub]:
    """A hub on a database in which nothing is, not even a schema."""
    database = open_database(f"sqlite:///{tmp_path}/empty.db")
    yield make_hub(database, clock=clock)
    database.dispose()


def watch(hub: Hub, chain: FakeChain) -> None:
    """Apply every solid block there is, and be gone."""
    scanner = Scanner(hub, chain.fleet(hub.clock), holder="fake")
    while scanner.scan_once().is_behind:
        pass
    scanner.close()


def pay(chain: FakeChain, payment: Payment) -> None:
    chain.mine(chain.transfer(payment.address, payment.pay_units.units))


def restore(hub: Hub, path: Path, *, force: bool = False) -> None:
    """Do what the command does."""
    head, end = archive.inspect(path)
    restoring.check(hub, head)
    restoring.require_room(hub, force=force)
    assert restoring.missing_keys(hub, head, end) == []
    restoring.restore(hub, path, head)
    restoring.watch_ahead(hub)


def rows_by_table(path: Path) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for one, row in archive.rows(path):
        found.setdefault(one.name, []).append(dict(zip(one.columns, row, strict=True)))
    return found


def told(hub: Hub) -> list[str]:
    return [posted.headers["webhook-id"] for posted in hub.http.posted]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_of_either_database_comes_back_in_either(
    request, hub: Hub, chain: FakeChain, shop: Shop, file: Path, tmp_path: Path, clock: ManualClock, kind: str
):
    watch(hub, chain)
    for number in range(3):
        pay(chain, make_payment(hub, shop, order_id=f"PAID-{number}"))
        make_payment(hub, shop, order_id=f"OPEN-{number}")
    complete(hub, shop)
    watch(hub, chain)
    taking.take(hub, file)
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/other.db"
    else:
        url = fresh_postgresql(request.getfixturevalue("postgresql_server"), f"back_{hub.database.engine.name}")
    other = make_hub(open_database(url), clock=clock)

    restore(other, file)
    taking.take(other, tmp_path / "again")

    before, now = rows_by_table(file), rows_by_table(tmp_path / "again")
    assert {name: now.get(name) for name in before if name not in MOVED} == {
        name: rows for name, rows in before.items() if name not in MOVED
    }
    assert len(before["payment"]) == len({row["payment_id"] for row in now["payment"]}) == 7
    check_schema(other.database)
    pay(chain, make_payment(other, shop, order_id="AFTERWARDS"))
    watch(other, chain)
    with other.database.snapshot() as session:
        assert session.scalar(select(Payment.status).where(Payment.order_id == "AFTERWARDS")) == "paid"
        assert journal.imbalance(session) == 0
    other.database.dispose()


def test_money_that_came_after_the_backup_is_found_again_once_and_told_under_the_same_id(
    hub: Hub, chain: FakeChain, shop: Shop, file: Path
):
    watch(hub, chain)
    payment = make_payment(hub, shop)
    taking.take(hub, file)
    pay(chain, payment)
    watch(hub, chain)
    drain(hub)

    restore(hub, file, force=True)
    watch(hub, chain)
    watch(hub, chain)
    drain(hub)

    first, again = told(hub)
    assert first == again
    with hub.database.snapshot() as session:
        assert session.scalars(select(Transfer.bucket)).all() == ["matched"]
        assert session.get_one(Payment, payment.id).status == "paid"
        assert session.scalars(select(Event.type).order_by(Event.number)).all() == ["payment.created", "payment.paid"]
        assert journal.project_balance(session, shop.project_id) == payment.pay_units


@on_sqlite
def test_a_webhook_that_was_due_and_then_sent_is_sent_again_under_its_id(hub: Hub, shop: Shop, file: Path):
    complete(hub, shop)
    taking.take(hub, file)
    drain(hub)

    restore(hub, file, force=True)
    drain(hub)

    first, again = told(hub)
    assert first == again


def test_a_backup_is_of_one_moment_while_others_write(hub: Hub, shop: Shop, file: Path, empty: Hub):
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            make_payment(hub, shop, order_id=f"O{(number := number + 1)}", mode=Mode.TEST)

    for number in range(20):
        make_payment(hub, shop, order_id=f"BEFORE-{number}", mode=Mode.TEST)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        taking.take(hub, file)
    finally:
        over.set()
        writer.join()

    restore(empty, file)

    with empty.database.snapshot() as session:
        payments, events = session.scalar(select(func.count(Payment.id))), session.scalar(select(func.count(Event.id)))
    assert payments == events >= 20  # each payment came with its first event


def test_no_payment_id_is_given_out_twice(hub: Hub, shop: Shop, file: Path):
    make_payment(hub, shop, order_id="A")
    taking.take(hub, file)
    lost = make_payment(hub, shop, order_id="LOST")

    restore(hub, file, force=True)

    later = [make_payment(hub, shop, order_id=f"B{n}") for n in range(3)]
    assert lost.payment_id not in [payment.payment_id for payment in later]
    assert [payment.id for payment in later] == sorted({payment.id for payment in later})


@on_sqlite
@pytest.mark.parametrize("read_before", [True, False])
def test_who_has_read_events_that_are_lost_misses_none_of_those_to_come(
    hub: Hub, shop: Shop, file: Path, read_before: bool
):
    stream = Stream(shop.project_id, is_test=False)

    def read() -> int:
        with hub.database.transaction() as session:
            place(session, stream)
            return newest(session, stream)

    make_payment(hub, shop, order_id="A")
    if read_before:
        read()
    taking.take(hub, file)
    make_payment(hub, shop, order_id="LOST")
    cursor = read()

    restore(hub, file, force=True)
    make_payment(hub, shop, order_id="B")
    read()

    with hub.database.snapshot() as session:
        assert "B" in [payment.order_id for _, payment in after(session, stream, cursor, limit=10)]


@on_sqlite
def test_addresses_that_lost_payments_were_given_are_watched_and_not_given_again(
    hub: Hub, chain: FakeChain, shop: Shop, file: Path
):
    with hub.database.transaction() as session:
        receiving.add_xpub(session, hub, merchant_id=shop.merchant_id, xpub=XPUB)
    watch(hub, chain)
    taking.take(hub, file)
    lost = make_payment(hub, shop, order_id="LOST")

    restore(hub, file, force=True)

    assert make_payment(hub, shop, order_id="NEW").address != lost.address
    pay(chain, lost)
    watch(hub, chain)
    with hub.database.snapshot() as session:
        held = session.scalar(select(Address.id).where(Address.base58 == lost.address))
        assert session.execute(select(Transfer.bucket, Transfer.address_id)).all() == [("unknown", held)]


@on_sqlite
def test_a_watcher_that_still_runs_writes_nothing_into_what_was_restored(hub: Hub, chain: FakeChain, file: Path):
    watch(hub, chain)
    taking.take(hub, file)
    with hub.database.snapshot() as session:
        fence = session.scalar(select(Cursor.fence))

    restore(hub, file, force=True)

    with hub.database.snapshot() as session:
        assert session.execute(select(Cursor.fence, Cursor.leased_until)).one() == (fence + 1, None)


@on_sqlite
def test_a_database_with_rows_is_refused_and_one_that_is_watched_always(
    hub: Hub, chain: FakeChain, shop: Shop, file: Path
):
    watch(hub, chain)
    taking.take(hub, file)
    with pytest.raises(restoring.NotEmpty, match="--force"):
        restore(hub, file)

    Scanner(hub, chain.fleet(hub.clock), holder="other").scan_once()

    with pytest.raises(restoring.NotEmpty, match="stop the hub"):
        restore(hub, file, force=True)


def test_a_failed_restore_leaves_the_database_as_it_was(
    hub: Hub, shop: Shop, file: Path, monkeypatch: pytest.MonkeyPatch
):
    make_payment(hub, shop)
    taking.take(hub, file)
    make_payment(hub, shop, order_id="KEPT")

    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(restoring, "_let_go", fail)
    with pytest.raises(RuntimeError):
        restore(hub, file, force=True)

    check_schema(hub.database)
    with hub.database.snapshot() as session:
        assert session.scalars(select(Payment.order_id).order_by(Payment.id)).all() == ["ORDER_1", "KEPT"]


def rewritten(file: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of a backup, and give it the checksum that fits."""
    lines = change(gzip.decompress(file.read_bytes()).splitlines(keepends=True)[:-1])
    tables = [json.loads(line) for line in lines]
    counts: dict[str, int] = {}
    for value in tables[1:]:
        if isinstance(value, dict):
            name = value["table"]
            counts[name] = 0
        else:
            counts[name] += 1
    end = {"rows": counts, "key_ids": ["t1"], "sha256": sha256(b"".join(lines)).hexdigest()}
    file.write_bytes(gzip.compress(b"".join([*lines, json.dumps({"end": end}).encode() + b"\n"])))


def with_head(**changes: object) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [json.dumps(json.loads(lines[0]) | changes).encode() + b"\n", *lines[1:]]


def unpacked(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(gzip.compress(change(gzip.decompress(file.read_bytes())))) and None


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("CREATE TABLE payment (id int);"),
    "foreign gzip": lambda file: file.write_bytes(gzip.compress(b"hello\n")),
    "foreign json": lambda file: file.write_bytes(gzip.compress(b'{"a": 1}\n[1]\n')),
    "half the bytes": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "no end line": unpacked(lambda data: data[: data.rindex(b'{"end"')]),
    "half the lines": unpacked(lambda data: data[: len(data) // 2]),
    "one digit": unpacked(lambda data: data.replace(b"ORDER_1", b"ORDER_2", 1)),
    "one row less": unpacked(lambda data: data.replace(data[data.index(b"\n[") + 1: data.index(b"]\n") + 2], b"", 1)),
    "more after the end": unpacked(lambda data: data + b'{"table": "payment", "columns": []}\n'),
    "a flipped byte": lambda file: file.write_bytes(
        file.read_bytes()[:200] + bytes([file.read_bytes()[200] ^ 1]) + file.read_bytes()[201:]
    ),
    "a head that lacks a field": lambda file: rewritten(file, lambda lines: [b'{"paywharf_backup": 1}\n', *lines[1:]]),
    "a later format": lambda file: rewritten(file, with_head(paywharf_backup=2)),
    "not there": lambda file: file.unlink(),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> bytes:
    """The bytes of a small backup."""
    folder = tmp_path_factory.mktemp("small")
    path = folder / "hub.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = open_database(f"sqlite:///{path}")
    hub = make_hub(database)
    make_payment(hub, make_shop(hub))
    taking.take(hub, folder / "file")
    database.dispose()
    return (folder / "file").read_bytes()


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_not_whole_is_not_believed(small: bytes, file: Path, how: str):
    file.write_bytes(small)
    BROKEN[how](file)

    with pytest.raises(BadBackup):
        archive.inspect(file)


def test_every_cut_of_a_backup_is_noticed(small: bytes, file: Path):
    for length in range(0, len(small), 37):
        file.write_bytes(small[:length])
        with pytest.raises(BadBackup):
            archive.inspect(file)


def test_a_later_schema_is_refused(small: bytes, file: Path, empty: Hub):
    file.write_bytes(small)
    rewritten(file, with_head(revision="9999"))

    with pytest.raises(SchemaMismatch, match="later version"):
        restore(empty, file)


def test_a_table_that_its_schema_does_not_have_is_refused(small: bytes, file: Path, empty: Hub):
    file.write_bytes(small)
    strange = b'{"table":"payment; DROP TABLE merchant","columns":["id"]}\n[1]\n'
    rewritten(file, lambda lines: [*lines, *strange.splitlines(keepends=True)])

    with pytest.raises(BadBackup, match="does not fit the schema"):
        restore(empty, file)


@on_sqlite
def test_another_network_is_refused(hub: Hub, chain: FakeChain, shop: Shop, file: Path, empty: Hub):
    watch(hub, chain)
    taking.take(hub, file)
    network = replace(empty.settings.network, name="mainnet")
    empty.settings = replace(empty.settings, network=network)

    with pytest.raises(WrongNetwork, match="of devnet"):
        restore(empty, file)


@pytest.mark.parametrize("keys", [(("t1", bytes(32)),), (("t2", bytes(range(32))),)], ids=["same name", "other name"])
def test_a_master_key_that_does_not_fit_is_noticed(small: bytes, file: Path, empty: Hub, keys):
    file.write_bytes(small)
    head, end = archive.inspect(file)

    assert restoring.missing_keys(empty, head, end) == []
    empty.vault = Vault(keys)
    assert restoring.missing_keys(empty, head, end) == ["t1"]


def test_a_restored_hub_opens_its_secrets(small: bytes, file: Path, empty: Hub):
    file.write_bytes(small)
    restore(empty, file)

    with empty.database.snapshot() as session:
        found = session.execute(text("SELECT count(*) FROM credential")).scalar_one()
    assert found == 2
    make_payment(empty, Shop(1, 1, {}, None, None), order_id="NEW")  # needs the key of the payment ids


@on_sqlite
def test_a_backup_is_private_overwrites_nothing_and_leaves_nothing_half_written(
    small: bytes, file: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    taking.take(hub, file)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadBackup, match="overwrites nothing"):
        taking.take(hub, file)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(BadBackup, match="No space left"):
        taking.take(hub, file.with_name("other"))
    assert sorted(path.name for path in file.parent.iterdir() if "backup" in path.name or "other" in path.name) == [
        "hub.backup"
    ]


@on_sqlite
def test_no_secret_stands_open_in_a_backup(hub: Hub, shop: Shop, file: Path):
    taking.take(hub, file)
    data = gzip.decompress(file.read_bytes()).decode()

    assert [issued.secret for issued in shop.keys.values() if issued.secret in data] == []
    assert shop.webhook_secret not in data


@on_sqlite
def test_a_restored_delivery_is_not_leased(hub: Hub, shop: Shop, file: Path):
    complete(hub, shop)
    with hub.database.transaction() as session:
        session.execute(text("UPDATE delivery SET lease_token = 'x', lease_until = 9999999999999"))
    taking.take(hub, file)

    restore(hub, file, force=True)

    with hub.database.snapshot() as session:
        assert session.scalar(select(Delivery.lease_token)) == ""

"""`coverage`, `reconcile`, `alarms`, `unfreeze` and the addresses' commands, against a devnet over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, select, update

from core.alarms import AlarmKind, raise_alarm, standing_alarms
from core.app import build_fleet
from core.chain.reconcile import reconcile
from core.chain.scanner import Scanner
from core.cli import main
from core.cli.roof import Roof
from core.clock import ManualClock
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.hub import Hub
from core.models import Address, Cursor, JournalEntry, Payment, ScannedRange, Transfer
from core.projects import receiving
from core.testing.factories import Shop, make_payment, make_shop
from core.testing.hubs import START, with_network
from tests.chain.test_xpub import ACCOUNT, ADDRESSES

pytestmark = pytest.mark.slow


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain.open(None, clock=ManualClock(START))
    chain.advance(20)
    yield chain
    chain.close()


@pytest.fixture
def server(chain: Chain) -> Iterator[DevnetServer]:
    server = DevnetServer(chain).start()
    yield server
    server.stop()


@pytest.fixture
def live(hub: Hub, chain: Chain, server: DevnetServer) -> Hub:
    hub.settings = with_network(hub.settings, urls=[server.url], usdt_contract=chain.usdt_address)
    return hub


@pytest.fixture
def shop(live: Hub) -> Shop:
    shop = make_shop(live, with_address=False)
    with live.database.transaction() as session:
        receiving.add_address(session, live, merchant_id=shop.merchant_id, address=ADDRESSES[1])
    scan(live)
    return shop


def scan(hub: Hub) -> None:
    fleet = build_fleet(hub.settings.network)
    scanner = Scanner(hub, fleet)
    while scanner.scan_once().applied:
        pass
    scanner.close()
    fleet.close()


def tell(server: DevnetServer, call: str, **body: object) -> None:
    with urlopen(Request(f"{server.url}/devnet/{call}", json.dumps(body).encode()), timeout=5):
        pass


def pay(hub: Hub, chain: Chain, to: str, units: int) -> None:
    chain.pay(to, units)
    chain.advance(20)
    scan(hub)


def run(hub: Hub, *arguments: str) -> Result:
    roof = Roof()
    roof.__dict__.update(settings=hub.settings, hub=hub, bare_hub=hub)
    roof.close = lambda: None  # type: ignore[method-assign]
    return CliRunner().invoke(main, list(arguments), obj=roof)


def compare(hub: Hub):
    fleet = build_fleet(hub.settings.network)
    try:
        return reconcile(hub, fleet, wait=lambda _: None)
    finally:
        fleet.close()


def test_books_that_agree_are_said_to(live: Hub, chain: Chain, shop: Shop):
    compare(live)
    pay(live, chain, ADDRESSES[1], 5_000_000)

    done = run(live, "reconcile")

    assert (done.exit_code, "No difference" in done.output) == (0, True), done.output
    assert "1 balances compared" in done.output


def test_a_watcher_far_behind_proves_nothing_and_is_waited_for_once(live: Hub, chain: Chain, shop: Shop):
    """It once took half a minute for each address to say "No difference" of balances that nobody had compared."""
    with live.database.transaction() as session:
        receiving.add_address(session, live, merchant_id=shop.merchant_id, address=ADDRESSES[2])
    chain.advance(20)
    waits: list[float] = []

    fleet = build_fleet(live.settings.network)
    report = reconcile(live, fleet, wait=waits.append)
    fleet.close()

    assert (report.balances, report.uncompared, len(waits)) == (0, 2, 60)


def test_what_could_not_be_compared_is_not_called_proven(
    live: Hub, chain: Chain, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("core.chain.reconcile.WAIT_S", 0.0)
    chain.advance(20)

    done = run(live, "reconcile")

    assert (done.exit_code, "No difference" in done.output) == (1, False), done.output
    assert "NOT PROVEN: 1 balances could not be compared." in done.output


def test_money_that_left_is_in_the_books(live: Hub, chain: Chain, shop: Shop):
    with live.database.transaction() as session:
        receiving.add_address(session, live, merchant_id=shop.merchant_id, address=chain.wallet_address)
    compare(live)
    pay(live, chain, ADDRESSES[1], 5_000_000)

    report = compare(live)

    assert (report.differences, report.balances, report.logs) == ([], 2, 1)


def test_a_transfer_that_is_not_recorded_is_found_twice_over(live: Hub, chain: Chain, shop: Shop):
    compare(live)
    pay(live, chain, ADDRESSES[1], 5_000_000)
    with live.database.transaction() as session:
        session.execute(delete(Transfer))
        session.execute(delete(JournalEntry))

    done = run(live, "reconcile")

    assert done.exit_code == 1
    assert "is not recorded" in done.output and "it should hold 0.000000" in done.output
    assert "transfer_missed" in run(live, "alarms").output


def test_what_one_provider_hid_is_found_by_another_ones_index_and_recorded_once(
    live: Hub, chain: Chain, shop: Shop, server: DevnetServer
):
    """The index that was asked was the liar's own, and a transfer that was missed could not be recorded at all."""
    payment = make_payment(live, shop)
    txid = chain.pay(payment.address, payment.pay_units.units)
    chain.advance(1)
    tell(server, "views", name="liar")
    tell(server, "vanish", txid=txid, view="liar")
    urls = [f"{server.url}/liar", server.url]
    live.settings = with_network(live.settings, urls=urls, usdt_contract=chain.usdt_address)
    chain.advance(20)
    scan(live)

    missed = run(live, "reconcile")
    height = missed.output.split("paywharf rescan ")[1].split("`")[0]
    disputed = run(live, "rescan", height)
    honest = f"{server.url.removeprefix('http://')} (2)"
    done = [run(live, "rescan", height, "--provider", honest) for _ in range(2)]

    assert (missed.exit_code, txid in missed.output, disputed.exit_code) == (1, True, 1), missed.output
    said = [one.output.strip().split(": ")[-1] for one in done]
    assert said == ["one transfer was missing and is recorded.", "nothing was missing."]
    with live.database.snapshot() as session:
        assert session.scalars(select(Payment.status)).all() == ["paid"]
        assert [alarm.kind for alarm in standing_alarms(session)] == [AlarmKind.FIRST_PAYMENT]


def test_a_provider_of_another_network_denies_no_transfer(live: Hub, chain: Chain, shop: Shop, server: DevnetServer):
    """Its index, which knows none of our transfers, would have called each of them gone."""
    pay(live, chain, ADDRESSES[1], 5_000_000)
    stranger = Chain.open(None, clock=ManualClock(START))
    stranger.advance(60)
    elsewhere = DevnetServer(stranger).start()
    urls = [server.url, elsewhere.url]
    live.settings = with_network(live.settings, urls=urls, usdt_contract=chain.usdt_address)
    report = compare(live)
    elsewhere.stop()
    stranger.close()

    assert (report.logs, report.differences) == (1, [])


def test_an_invented_transfer_is_found(live: Hub, chain: Chain, shop: Shop):
    pay(live, chain, ADDRESSES[1], 5_000_000)
    with live.database.transaction() as session:
        session.execute(update(Transfer).values(txid="ab" * 32))

    assert any("the chain does not know it any more" in sentence for sentence in compare(live).differences)


def test_a_log_index_that_lacks_a_transfer_is_told_from_a_chain_that_does(
    live: Hub, server: DevnetServer, chain: Chain, shop: Shop
):
    pay(live, chain, ADDRESSES[1], 5_000_000)
    with live.database.transaction() as session:
        session.execute(update(Transfer).values(block_index=77))  # as if the index had no such log

    assert any("does not know it: was it enabled late?" in sentence for sentence in compare(live).differences)


def test_a_failed_transfer_in_the_log_index_is_no_difference(live: Hub, chain: Chain, shop: Shop):
    compare(live)
    chain.failed_transfer(ADDRESSES[1], 7, "out_of_time")
    chain.advance(20)
    scan(live)

    report = compare(live)

    assert (report.logs, report.differences) == (1, [])


def test_destroyed_funds_are_found_by_the_balance_alone(live: Hub, chain: Chain, shop: Shop):
    compare(live)
    pay(live, chain, ADDRESSES[1], 5_000_000)
    holder = bytes(12) + receiving.parse_address(ADDRESSES[1]).raw20
    chain.owner_call("addBlackList(address)", holder)
    chain.advance(1)
    chain.owner_call("destroyBlackFunds(address)", holder)
    chain.advance(20)
    scan(live)

    report = compare(live)

    assert len(report.differences) == 1 and "holds 0.000000" in report.differences[0]
    with live.database.snapshot() as session:
        assert session.scalars(select(Address.blacklisted_at)).one() is not None


def test_a_node_without_a_log_index_is_said_to_be(live: Hub, chain: Chain, shop: Shop, server: DevnetServer):
    server.faults.set([{"path": "jsonrpc", "kind": "not_found"}])

    report = compare(live)

    assert report.differences == [] and any("No provider offers JSON-RPC" in note for note in report.notes)


def test_coverage_has_no_gaps_or_says_where(live: Hub, chain: Chain, shop: Shop):
    chain.advance(10)
    scan(live)
    whole = run(live, "coverage")
    with live.database.transaction() as session:
        last = session.scalars(select(ScannedRange).order_by(ScannedRange.id.desc())).first()
        assert last is not None
        last.from_height += 3

    torn = run(live, "coverage", "--json")

    assert (whole.exit_code, "no gaps since" in whole.output) == (0, True)
    assert (torn.exit_code, len(json.loads(torn.output)["gaps"])) == (1, 1)


def test_a_frozen_watcher_goes_on_when_a_human_says_so(live: Hub, chain: Chain, shop: Shop):
    with live.database.transaction() as session:
        session.execute(update(Cursor).values(frozen_at=START, frozen_why="a test"))
    frozen = run(live, "reconcile")
    first, again = run(live, "unfreeze"), run(live, "unfreeze")
    chain.advance(5)
    scan(live)

    assert "The watcher is frozen" in frozen.output and "is it running" not in frozen.output
    assert (frozen.exit_code, first.exit_code, again.exit_code) == (1, 0, 1)


def test_an_address_is_added_confirmed_and_retired(live: Hub, chain: Chain, shop: Shop):
    unread = run(live, "address", "add", ADDRESSES[2])
    wrong = run(live, "address", "add", ADDRESSES[2], "--confirm", "abcdef")
    added = run(live, "address", "add", ADDRESSES[2], "--confirm", ADDRESSES[2][-6:])
    early = run(live, "address", "confirm", ADDRESSES[2])
    pay(live, chain, ADDRESSES[2], 5)
    asked = run(live, "alarms").output
    confirmed = run(live, "address", "confirm", ADDRESSES[2])
    retired = run(live, "address", "retire", ADDRESSES[2])

    exits = [done.exit_code for done in (unread, wrong, added, early, confirmed, retired)]
    assert exits == [2, 1, 0, 1, 0, 0] and "--confirm" in unread.output
    assert "address confirm" in asked and run(live, "alarms").output.strip() == "No alarm stands."


def test_a_blacklisted_address_is_warned_of(live: Hub, chain: Chain, shop: Shop):
    chain.owner_call("addBlackList(address)", bytes(12) + receiving.parse_address(ADDRESSES[2]).raw20)
    chain.advance(20)

    assert "WARNING" in run(live, "address", "add", ADDRESSES[2], "--confirm", ADDRESSES[2][-6:]).output


def test_an_xpub_is_added_after_its_first_address_was_compared(live: Hub, shop: Shop):
    unread = run(live, "xpub", "add", ACCOUNT)
    wrong = run(live, "xpub", "add", ACCOUNT, "--confirm", ADDRESSES[1])
    added = run(live, "xpub", "add", ACCOUNT, "--confirm", ADDRESSES[0])
    payment = make_payment(live, shop)
    retired, again = run(live, "xpub", "retire"), run(live, "xpub", "retire")

    assert [done.exit_code for done in (unread, wrong, added, retired, again)] == [2, 1, 0, 0, 1]
    assert all(address in added.output for address in ADDRESSES)
    assert (payment.address, ACCOUNT in added.output) == (ADDRESSES[0], False)


def test_a_held_address_asks_for_a_backup(live: Hub, shop: Shop):
    assert "Back up" in run(live, "address", "hold").output


def test_a_second_node_takes_over_over_http(live: Hub, chain: Chain, shop: Shop, server: DevnetServer):
    nodes = (replace(live.settings.network.nodes[0], full_url="http://127.0.0.1:1", solid_url="http://127.0.0.1:1"),
             *live.settings.network.nodes)
    live.settings = replace(live.settings, network=replace(live.settings.network, nodes=nodes))

    pay(live, chain, ADDRESSES[1], 5_000_000)

    with live.database.snapshot() as session:
        assert [amount.units for amount in session.scalars(select(Transfer.units))] == [5_000_000]


def test_an_alarm_is_dismissed_unless_an_act_of_its_own_ends_it(live: Hub):
    with live.database.transaction() as session:
        for kind, subject in ((AlarmKind.TRANSFER_MISSED, "7"), (AlarmKind.FIRST_PAYMENT, ADDRESSES[0])):
            raise_alarm(session, kind=kind, subject=subject, sentence="Look.", now=live.clock.now())

    ends = [run(live, "dismiss-alarm", number).exit_code for number in ("1", "1", "2")]

    with live.database.snapshot() as session:
        assert (ends, [alarm.kind for alarm in standing_alarms(session)]) == ([0, 1, 1], ["first_payment"])

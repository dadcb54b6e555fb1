"""Hold the books against the chain: balances, an independent log query, coverage. It repairs nothing, it tells.

What an address should hold is what it held at a known height, plus every transfer in, less every transfer out since.
The other proof asks the node's log index, which knows nothing of our scan, for every transfer to our addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Select, func, select, type_coerce
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, raise_alarm
from core.chain.addresses import TronAddress, parse_address
from core.chain.blocks import read_block
from core.chain.coverage import coverage
from core.chain.failures import FailureKind, NodeFailure
from core.chain.fleet import LAGGING_BLOCKS, Fleet
from core.chain.node import Node
from core.chain.rpc import LoggedTransfer
from core.chain.token import balance_of
from core.db import Int64
from core.errors import NodeUnavailable
from core.hub import Hub
from core.ledger import journal, totals
from core.models import Address, Cursor, LogCheck, Outgoing, Transfer
from core.money import Usdt

TRIES = 5  # to read a balance while no block becomes solid meanwhile
PATIENCE = 60  # waits of half a second each, for the watcher to apply the block a balance was read at
WAIT_S = 0.5


@dataclass(slots=True)
class Report:
    """What was compared. `differences` are for a human; `notes` say what could not be compared, and why.

    uncompared: balances that should have been compared, and the watcher was too far behind: nothing is proven.
    """

    height: int = 0
    uncompared: int = 0
    balances: int = 0
    logs: int = 0
    logs_from: int | None = None
    logs_to: int | None = None
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Compared:
    """How many transfers one provider's log index lists, and where they differ from ours."""

    found: int
    differences: list[str]


def reconcile(hub: Hub, fleet: Fleet, *, wait: Callable[[float], object], since: int | None = None) -> Report:
    """Compare books and chain. Raises NodeUnavailable where the node cannot be asked.

    wait: blocks for the given seconds.   since: height from which logs are checked; by default where the last check
    that found no difference ended.
    """
    report = Report()
    with hub.database.snapshot() as session:
        cursor = session.scalar(select(Cursor).where(Cursor.network == hub.settings.network.name))
        addresses = list(session.scalars(_addresses_with_money()))
        _check_books(session, hub, report)
    if cursor is None:
        report.notes.append("The watcher has not run yet: there is nothing to compare with.")
        report.uncompared = len(addresses)
        return report
    fleet.expect(cursor.genesis_id)  # a provider of another network knows nothing of our money
    report.height = cursor.height
    if cursor.frozen_why is not None:
        report.notes.append(f"The watcher is frozen, so balances cannot be compared: {cursor.frozen_why}")
        report.uncompared, addresses = len(addresses), []
    for number, address in enumerate(addresses):
        if not _check_balance(hub, fleet, address, report, wait=wait):
            report.uncompared = len(addresses) - number  # one wait is enough: the others would end in the same way
            break
    _check_logs(hub, fleet, cursor.genesis_id, report, since=since, until=cursor.height)
    return report


def _addresses_with_money() -> Select[Address]:
    came = select(Transfer.address_id).distinct()
    went = select(Outgoing.address_id).distinct()
    is_pooled = (Address.kind != "derived") & Address.retired_at.is_(None)
    return select(Address).where(is_pooled | Address.id.in_(came) | Address.id.in_(went)).order_by(Address.id)


def _check_books(session: Session, hub: Hub, report: Report) -> None:
    """Check what needs no node: the journal's sum, its totals, its agreement with the transfers, the coverage."""
    if journal.imbalance(session) != 0:
        report.differences.append("The journal does not sum to zero.")
    for account in totals.wrong(session):
        report.differences.append(f"The total of account {account} is not the sum of its lines.")
    cover = coverage(session, hub)
    for gap in cover.gaps if cover else ():
        report.differences.append(f"Blocks {gap.first} to {gap.last} are not proven to have been scanned.")


def _check_balance(
    hub: Hub, fleet: Fleet, address: Address, report: Report, *, wait: Callable[[float], object]
) -> bool:
    """Compare one balance, or note what to count from; False where the watcher does not come to its block."""
    holder = parse_address(address.base58)
    height, balance = fleet.ask(lambda node: _balance_at(hub, node, holder))
    if not _has_applied(hub, height, wait=wait):
        report.notes.append(f"The watcher has not come to block {height}: is it running?")
        return False
    with hub.database.transaction() as session:
        row = session.get_one(Address, address.id)
        if row.opening_height is None:
            _open(session, row, height=height, balance=balance)
            if row.kind == "own":
                report.notes.append(f"{row.base58}: {balance.six_places()} USDT noted as its balance to count from.")
                return True
        expected = _expected(session, row, until=height)
        booked = journal.account_sum(session, journal.chain_account(row.base58))
        moved = _moved(session, row, after=-1, until=None)
        report.balances += 1
        if booked != moved:
            report.differences.append(f"{row.base58}: its journal says {booked} units, its transfers {moved}.")
        if expected != balance.units:
            sentence = (
                f"{row.base58} holds {balance.six_places()} USDT at block {height}; by its transfers it should hold "
                f"{Usdt(expected).six_places()}."
            )
            report.differences.append(sentence)
            raise_alarm(
                session, kind=AlarmKind.BALANCE_DIFFERS, subject=row.base58, sentence=sentence, now=hub.clock.now()
            )
    return True


def _balance_at(hub: Hub, node: Node, holder: TronAddress) -> tuple[int, Usdt]:
    """Read a balance with the solid height it belongs to: the same before and after."""
    contract = parse_address(hub.settings.network.usdt_contract)
    for _ in range(TRIES):
        before = node.solid_height()
        balance = balance_of(node, contract, holder)
        if node.solid_height() == before:
            return before, balance
    raise NodeUnavailable("Blocks become final faster than a balance can be read.")


def _has_applied(hub: Hub, height: int, *, wait: Callable[[float], object]) -> bool:
    for _ in range(PATIENCE):
        with hub.database.snapshot() as session:
            applied = session.scalar(select(Cursor.height).where(Cursor.network == hub.settings.network.name))
        if applied is not None and applied >= height:
            return True
        wait(WAIT_S)
    return False


def _open(session: Session, row: Address, *, height: int, balance: Usdt) -> None:
    """Note what an address is counted from: a fresh key from nothing, a wallet's address from what it holds now."""
    is_fresh = row.kind != "own"
    row.opening_height = 0 if is_fresh else height
    row.opening_units = Usdt(0) if is_fresh else balance
    session.flush()


def _expected(session: Session, row: Address, *, until: int) -> int:
    assert row.opening_height is not None and row.opening_units is not None
    return row.opening_units.units + _moved(session, row, after=row.opening_height, until=until)


def _moved(session: Session, row: Address, *, after: int, until: int | None) -> int:
    total = 0
    for table, sign in ((Transfer, 1), (Outgoing, -1)):
        wanted = select(func.coalesce(func.sum(type_coerce(table.units, Int64)), 0)).where(
            table.address_id == row.id, table.height > after
        )
        if until is not None:
            wanted = wanted.where(table.height <= until)
        total += sign * int(session.execute(wanted).scalar_one())
    return total


def _check_logs(
    hub: Hub, fleet: Fleet, genesis_id: str, report: Report, *, since: int | None, until: int
) -> None:
    """Ask every provider's log index for all transfers to our addresses in blocks we have applied, and compare.

    Every provider's, for the one that hid a transfer from the scan hides it here as well.
    """
    with hub.database.snapshot() as session:
        first = since if since is not None else _unchecked_from(session, hub, genesis_id)
        ours = sorted(session.scalars(select(Address.raw20)))
    if first is None or first > until:
        return
    lagging, until = _those_lagging(fleet, report, until)
    if first > until:
        return
    compared = fleet.ask_each(
        lambda node: None if node.name in lagging else _compare_logs(hub, node, ours, first, until)
    )
    spoken = _those_that_spoke(compared, report)
    if not spoken:
        return
    differences = list(_differences_of(spoken))
    report.logs, report.logs_from, report.logs_to = max(one.found for one in spoken.values()), first, until
    report.differences += differences
    with hub.database.transaction() as session:
        session.add(
            LogCheck(
                genesis_id=genesis_id, from_height=first, to_height=until, provider=", ".join(sorted(spoken)),
                found=report.logs, differences=len(differences), checked_at=hub.clock.now(),
            )
        )
        for sentence in differences:
            raise_alarm(
                session, kind=AlarmKind.TRANSFER_MISSED, subject=sentence.split()[1], sentence=sentence,
                now=hub.clock.now(),
            )


def _those_lagging(fleet: Fleet, report: Report, until: int) -> tuple[set[str], int]:
    """Leave out providers that lag far behind; give the height to which all others have come."""
    heights = {
        name: height for name, height in fleet.ask_each(lambda node: node.solid_height()).items()
        if isinstance(height, int)
    }
    lagging = {name for name, height in heights.items() if height < until - LAGGING_BLOCKS}
    report.notes += [
        f"Provider {name} is far behind block {until}: its log index was not asked." for name in sorted(lagging)
    ]
    return lagging, min([until, *(height for name, height in heights.items() if name not in lagging)])


def _those_that_spoke(
    compared: dict[str, Compared | None | NodeUnavailable], report: Report
) -> dict[str, Compared]:
    """Note who could not be compared with, and why. Raises that failure where it is all there is."""
    spoken = {name: one for name, one in compared.items() if isinstance(one, Compared)}
    failures = {name: one for name, one in compared.items() if isinstance(one, NodeUnavailable)}
    unable = [
        name for name, one in failures.items() if isinstance(one, NodeFailure) and one.kind is FailureKind.DISABLED
    ]
    for name in failures.keys() - set(unable):
        if not spoken:
            raise failures[name]
        report.notes.append(f"Provider {name} could not be asked for its log index: {failures[name].sentence}")
    if unable and not spoken:
        report.notes.append("No provider offers JSON-RPC: the independent log query could not be made.")
    elif unable:
        report.notes.append(f"No JSON-RPC, so not asked for the log index: {', '.join(sorted(unable))}.")
    return spoken


def _differences_of(spoken: dict[str, Compared]) -> Iterator[str]:
    """Put the providers' differences together; one that not all of them see is said to be theirs."""
    for sentence in dict.fromkeys(sentence for one in spoken.values() for sentence in one.differences):
        whose = sorted(name for name, one in spoken.items() if sentence in one.differences)
        only = "" if len(whose) == len(spoken) else f" Only {', '.join(whose)} shows it so."
        yield sentence + only


def _compare_logs(hub: Hub, node: Node, ours: list[bytes], first: int, until: int) -> Compared:
    contract = parse_address(hub.settings.network.usdt_contract)
    logs = node.transfer_logs(contract, to=ours, since=first, until=until)
    differences = list(_log_differences(hub, node, [log for log in logs if log.units], first=first, until=until))
    return Compared(len(logs), differences)


def _unchecked_from(session: Session, hub: Hub, genesis_id: str) -> int | None:
    checked = session.scalar(
        select(func.max(LogCheck.to_height)).where(LogCheck.genesis_id == genesis_id, LogCheck.differences == 0)
    )
    if checked is not None:
        return int(checked) + 1
    cover = coverage(session, hub)
    return cover.first if cover else None


def _log_differences(
    hub: Hub, node: Node, logs: list[LoggedTransfer], *, first: int, until: int
) -> Iterator[str]:
    with hub.database.snapshot() as session:
        recorded = {
            (row.txid, row.block_index): row.units.units
            for row in session.execute(
                select(Transfer.txid, Transfer.block_index, Transfer.units).where(
                    Transfer.height >= first, Transfer.height <= until
                )
            )
        }
    shown = {(log.txid, log.block_index): log for log in logs}
    for key, log in shown.items():
        if recorded.get(key) != log.units and (log.txid, None) not in recorded and _has_succeeded(hub, node, log):
            yield (
                f"Transaction {log.txid} of block {log.height} paid {Usdt(log.units).six_places()} USDT to us and is "
                f"not recorded: look it up elsewhere, then run `paywharf rescan {log.height}`."
            )
    for key in recorded.keys() - shown.keys():
        if key[1] is not None:
            yield _unknown(node, key[0])


def _unknown(node: Node, txid: str) -> str:
    """Tell an index that was enabled late from money that is gone: the node itself knows what is in its chain."""
    if node.solid_info(txid) is not None:
        return f"Transaction {txid} is recorded, and the log index does not know it: was it enabled late?"
    return (
        f"Transaction {txid} is recorded, and the chain does not know it any more: ask a second node for it; if that "
        "does not know it either, the money it brought is gone."
    )


def _has_succeeded(hub: Hub, node: Node, log: LoggedTransfer) -> bool:
    """Look into the block itself: the index also lists what failed transactions logged."""
    usdt20 = parse_address(hub.settings.network.usdt_contract).raw20
    block = read_block(node, log.height, usdt20=usdt20)
    found = [seen for seen in block.logs if seen.txid == log.txid] if block else []
    return any(seen.succeeded and seen.block_index == log.block_index for seen in found)

"""Look for the transactions that people have named: a question to a node each, and an answer written down.

Payers name what has paid them, merchants what has paid a refund. It never credits: what a node says of one transaction
only tells where it is. Money counts when the scanner comes to its block.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from core.chain.addresses import address_of, parse_address
from core.chain.decode import TransactionInfo, transfers_in
from core.chain.fleet import Fleet
from core.chain.node import Node
from core.chain.pacing import Allowance
from core.errors import NodeUnavailable
from core.hub import Hub
from core.payments import leads, refund_proofs
from core.payments.traces import Move, Trace, View

AT_ONCE = 3  # of each kind in one step, so that naming transactions never slows the scan
DAILY_REQUESTS = 2_000  # where requests are counted: a thousand looks


class Tracer:
    """The looks of one watcher."""

    def __init__(self, hub: Hub, fleet: Fleet) -> None:
        self._hub = hub
        self._fleet = fleet
        self._usdt20 = parse_address(hub.settings.network.usdt_contract).raw20
        self._allowance = Allowance(DAILY_REQUESTS if hub.settings.live_requests else None, clock=hub.clock)

    def step(self) -> int:
        """Look for what is due; returns how many there were. A node that fails only postpones."""
        with self._hub.database.snapshot() as session:
            named = [(lead.id, lead.txid) for lead in leads.due(session, self._hub, limit=AT_ONCE)]
            sent = [(refund.id, refund.txid) for refund in refund_proofs.due(session, self._hub, limit=AT_ONCE)]
        for lead_id, txid in named:
            self._answer_lead(lead_id, self._trace(txid))
        for refund_id, paid_by in sent:
            self._look_at_refund(refund_id, paid_by, self._trace(paid_by) if paid_by else None)
        if sent:
            self._hub.wake()
        return len(named) + len(sent)

    def _answer_lead(self, lead_id: int, trace: Trace | None) -> None:
        def answer(session: Session) -> None:
            lead = leads.answer(session, self._hub, lead_id, trace)
            if trace is None and lead.look_at is not None:
                leads.postpone(session, self._hub, lead_id)

        self._write(answer)

    def _look_at_refund(self, refund_id: int, txid: str | None, trace: Trace | None) -> None:
        self._write(lambda session: refund_proofs.look(session, self._hub, refund_id, txid=txid, trace=trace))

    def _write(self, act: Callable[[Session], object]) -> None:
        try:
            with self._hub.database.transaction() as session:
                act(session)
        except StaleDataError:  # the payment changed at this moment: it is still due, so the next step looks again
            return

    def _trace(self, txid: str) -> Trace | None:
        """Ask where a transaction is; None where no node can be asked now."""
        if not self._allowance.take(2):
            return None
        try:
            return self._fleet.ask(lambda node: self._trace_at(node, txid))
        except NodeUnavailable:
            return None

    def _trace_at(self, node: Node, txid: str) -> Trace:
        info = node.solid_info(txid)
        if info is None:
            return Trace(View.HEAD if node.head_info(txid) else View.NOWHERE)
        return trace_of(info, usdt20=self._usdt20)


def trace_of(info: TransactionInfo, *, usdt20: bytes) -> Trace:
    """Read what a final transaction did; raises BlockInconsistent where a log has no readable contract address."""
    moves = tuple(
        Move(log.log_index, address_of(log.to20).base58, log.units, log.contract20 == usdt20)
        for log in transfers_in([info])
    )
    is_plain = not info.log and info.result is UNSET and info.receipt.result is UNSET  # no contract call: TRX, say
    return Trace(View.SOLID, info.block_number, info.has_succeeded or is_plain, moves)

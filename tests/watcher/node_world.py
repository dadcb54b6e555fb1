"""Any node given by URL with the face of a chain in memory: what happens there goes through tronpy, as from a wallet.

Nothing here asks the node for more than every full node offers. What such a node cannot be made to do (a fork, a
second token, a stall) is not here: a rule that needs it is marked so, and left out by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

import pytest
from tronpy import Tron
from tronpy.exceptions import TransactionNotFound
from tronpy.keys import PrivateKey
from tronpy.providers import HTTPProvider

from core.chain.fleet import Fleet
from core.clock import Clock, SystemClock, from_millis
from core.ids import random_bytes
from tests.watcher.places import Place

PATIENCE_S = 240.0
FEE_LIMIT_SUN = 100_000_000
TOO_LITTLE_SUN = 1_000_000  # buys 10,000 energy; a transfer takes more at any price there has been
POCKET_SUN = 30_000_000  # an account's making, and what it pays for one approval
UNLIMITED = 2**256 - 1
MORE_THAN_ANYBODY_HAS = 10**18
Sent = tuple[str, str | None]  # a transaction id, and the result that its receipt must name
Act = Callable[[], Sent]


class ShiftedClock:
    """The machine's clock, which a test may move forward."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead_s = 0.0

    def now(self) -> datetime:
        """Return the moment, moved."""
        return self._system.now() + timedelta(seconds=self._ahead_s)

    def monotonic(self) -> float:
        """Return the seconds, moved as well."""
        return self._system.monotonic() + self._ahead_s

    def advance(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Move both forward."""
        self._ahead_s += minutes * 60 + seconds


class NodeWorld:
    """One funded account on a node's chain; `reached` is the newest final height that a test has waited for."""

    amount = "0.50"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.usdt_contract = place.usdt
        self.node = place.client()
        self.hidden: set[int] = set()
        self.reached = 0
        self.window_s = max(3, int(place.poll_s * 15))
        self._tron = Tron(HTTPProvider(f"{place.url}/"))  # without the slash it drops a path
        self._key = PrivateKey(bytes.fromhex(place.key))
        self._second = PrivateKey(sha256(b"second" + bytes.fromhex(place.key)).digest())
        self._hide()

    def close(self) -> None:
        """Close the client's connections."""
        self.node.close()

    @property
    def head(self) -> int:
        return self._tron.get_latest_block_number()

    @property
    def solid(self) -> int:
        return self._tron.get_latest_solid_block_number()

    @solid.setter
    def solid(self, height: int) -> None:
        self._wait(lambda: self.solid >= height, f"block {height} is not final")
        self.reached = max(self.reached, height)

    @property
    def payer(self) -> str:
        """Give a second account's address, whose money the first one may move."""
        return self._second.public_key.to_base58check_address()

    def fleet(self, clock: Clock) -> Fleet:
        """Give a fleet of this node alone."""
        return Fleet([self.node], clock=clock)

    def fresh_address(self) -> str:
        """Give an address that nobody has used."""
        return PrivateKey(random_bytes(32)).public_key.to_base58check_address()

    def mine(self, *acts: Act, solid: bool = True) -> int:
        """Send these and wait until their blocks are final, or are there at least; returns the last one's height."""
        heights = [self._height_of(*act()) for act in acts] or [self.head + 1]
        height = max(heights)
        if solid:
            self.solid = height
        elif self.solid >= height:
            pytest.skip("needs blocks that are not final at once")
        return height

    def skip(self, blocks: int) -> None:
        """Wait for more final blocks."""
        self.solid = self.solid + blocks

    def let_pass(self, moment: datetime) -> None:
        """Wait for a final block after a moment."""
        self._wait(lambda: self.time_of(self.solid) > moment, f"no block is newer than {moment}")
        self.reached = self.solid

    def let_a_day_pass(self) -> None:
        """Be away for as long as a test can be."""
        self.skip(3)

    def time_of(self, height: int) -> datetime:
        """Give a block's time."""
        return from_millis(self._tron.get_block(height)["block_header"]["raw_data"]["timestamp"])

    def transfer(self, to: str, units: int, *, receipt: str = "SUCCESS", result: str | None = None,
                 copies: int = 1, sender: str | None = None) -> Act:
        """Prepare a transaction that moves units to an address, or fails to, in the way a chain in memory names."""
        assert copies == (receipt == "SUCCESS") and (result is None) == (receipt == "SUCCESS")
        if sender is not None:
            return lambda: self._move_for(sender, to, units)
        if receipt == "REVERT":
            return lambda: (self._call("transfer", to, MORE_THAN_ANYBODY_HAS), receipt)
        limit_sun = FEE_LIMIT_SUN if receipt == "SUCCESS" else TOO_LITTLE_SUN
        return lambda: (self._call("transfer", to, units, limit_sun=limit_sun), receipt)

    def send(self, to: str, units: int) -> str:
        """Transfer units and wait for nothing; returns the transaction's id."""
        return self._call("transfer", to, units)

    def balance_of(self, address: str) -> int:
        """Ask the contract what an address holds."""
        return int(self._contract.functions.balanceOf(address))

    def approval(self, spender: str, units: int) -> Act:
        """Prepare an event of the contract that moves nothing."""
        return lambda: (self._call("approve", spender, units), "SUCCESS")

    def trx(self, to: str, sun: int) -> Act:
        """Prepare a transfer of TRX."""
        return lambda: (self._send_trx(to, sun), None)

    def _move_for(self, holder: str, to: str, units: int) -> Sent:
        """Move another account's units by transferFrom; nothing needs nobody's leave."""
        if units:
            assert holder == self.payer
            self._prepare_second()
            self._height_of(self._call("transfer", holder, units), "SUCCESS")
        return self._call("transferFrom", holder, to, units), "SUCCESS"

    def _prepare_second(self) -> None:
        """Let the first account move the second one's money, once and for all runs."""
        own = self._key.public_key.to_base58check_address()
        if self._contract.functions.allowance(self.payer, own) > UNLIMITED // 2:
            return
        self._height_of(self._send_trx(self.payer, POCKET_SUN), None)
        self._height_of(self._call("approve", own, UNLIMITED, by=self._second, limit_sun=POCKET_SUN // 2), "SUCCESS")

    @cached_property
    def _contract(self):
        return self._tron.get_contract(self.place.usdt)

    def _call(
        self, function: str, *arguments: str | int, by: PrivateKey | None = None, limit_sun: int = FEE_LIMIT_SUN
    ) -> str:
        key = by or self._key
        call = getattr(self._contract.functions, function)(*arguments)
        owner = key.public_key.to_base58check_address()
        return str(call.with_owner(owner).fee_limit(limit_sun).build().sign(key).broadcast()["txid"])

    def _send_trx(self, to: str, sun: int) -> str:
        made = self._tron.trx.transfer(self._key.public_key.to_base58check_address(), to, sun)
        return str(made.build().sign(self._key).broadcast()["txid"])

    def _height_of(self, txid: str, receipt: str | None) -> int:
        """Wait until a transaction is in a block and did what was meant, and give the block's height."""
        found: dict = {}

        def is_there() -> bool:
            try:
                found.update(self._tron.get_transaction_info(txid))
            except TransactionNotFound:
                return False
            return "blockNumber" in found

        self._wait(is_there, f"transaction {txid} is in no block")
        assert found["receipt"].get("result") == receipt, f"transaction {txid} ended otherwise"
        return int(found["blockNumber"])

    def _wait(self, is_so: Callable[[], bool], otherwise: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline_s, otherwise
            time.sleep(self.place.poll_s)

    def _hide(self) -> None:
        """Let the client show no transactions of the heights that a test hides."""
        honest = self.node.solid_infos
        self.node.solid_infos = lambda height: [] if height in self.hidden else honest(height)  # type: ignore

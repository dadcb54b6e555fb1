"""A devnet behind its HTTP port with the face of a chain in memory: the same test bodies run on both.

Transactions are real ones, signed and executed; the watcher reads them through the node client. What a real chain
cannot be made to do (a log of any shape, a block rewritten in place) is not here: those bodies stay in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.request import Request, urlopen

from core.chain.addresses import address_of, parse_address
from core.chain.fleet import Fleet
from core.chain.node import HttpNode
from core.clock import Clock, ManualClock, SystemClock, from_millis, to_millis
from core.devnet import keys
from core.devnet.ledger import Chain
from core.devnet.server import DevnetServer
from core.ids import random_bytes
from core.testing.hubs import START

Act = Callable[[], object]
TOO_LITTLE_SUN = 1_000_000  # buys 10,000 energy; a transfer needs six times as much
PAYER_KEY = b"\x22" * 32
PAYER = keys.to_base58(keys.address_of(PAYER_KEY))
INFOS = "walletsolidity/gettransactioninfobyblocknum"


class Hidden:
    """The heights whose transactions the node does not show: over HTTP it is all of them, or none."""

    def __init__(self, server: DevnetServer) -> None:
        self._server = server

    def add(self, height: int) -> None:
        self._server.faults.set([{"path": INFOS, "kind": "empty"}])

    def clear(self) -> None:
        self._server.faults.set([])


class DevnetWorld:
    """One chain with one witness, so that a block is final at once unless a test says otherwise."""

    amount = "50.00"
    payer = PAYER

    def __init__(self) -> None:
        self.inner = Chain.open(None, clock=ManualClock(START - timedelta(minutes=1)), witnesses=1)
        self.server = DevnetServer(self.inner, views={"second": 0}).start()
        self.hidden = Hidden(self.server)
        self.usdt_contract = self.inner.usdt_address
        self._node: HttpNode | None = None

    def close(self) -> None:
        """Stop all of it."""
        if self._node is not None:
            self._node.close()
        self.server.stop()
        self.inner.close()

    @property
    def node(self) -> HttpNode:
        """Give the client of this devnet; it never waits, so that a fault costs a test no time."""
        if self._node is None:
            self._node = client(self.server.url)
        return self._node

    @property
    def head(self) -> int:
        return self.inner.head_height

    @property
    def solid(self) -> int:
        return self.inner.solid_height

    @solid.setter
    def solid(self, height: int) -> None:
        assert height == self.head
        self.inner.resume_solid()

    @property
    def reached(self) -> int:
        return self.solid

    def fresh_address(self) -> str:
        """Give an address that nobody has used."""
        return address_of(random_bytes(20)).base58

    def fleet(self, clock: Clock) -> Fleet:
        """Give a fleet of this devnet alone."""
        return Fleet([self.node], clock=clock)

    def mine(self, *acts: Act, solid: bool = True) -> int:
        """Put these transactions into the next block; returns its height."""
        for act in acts:
            act()
        if solid:
            self.inner.resume_solid()
        else:
            self.inner.stall_solid()
        return self.inner.advance(1).height

    def skip(self, blocks: int) -> None:
        """Add empty final blocks."""
        self.inner.resume_solid()
        self.inner.advance(blocks)

    def skip_to(self, moment: datetime) -> None:
        """Add one final block at a moment; what was pending by then was dropped."""
        self.inner.resume_solid()
        self.inner.advance(1, step_ms=to_millis(moment) - self.inner.head.timestamp_ms)

    def let_pass(self, moment: datetime) -> None:
        """Add a final block after a moment."""
        self.skip_to(moment + timedelta(minutes=1))

    def let_a_day_pass(self) -> None:
        """Add a final block that is more than a day later."""
        self.skip_to(self.time_of(self.head) + timedelta(hours=25))

    def time_of(self, height: int) -> datetime:
        """Give a block's time."""
        return from_millis(self.inner.block(height)[0].timestamp_ms)

    def transfer(
        self, to: str, units: int, *, contract: str | None = None, receipt: str = "SUCCESS",
        result: str | None = None, copies: int = 1, sender: str | None = None,
    ) -> Act:
        """Prepare a transaction that moves units to an address, or fails to, in the way a chain in memory names."""
        chain, to21 = self.inner, keys.from_base58(to)
        if contract not in (None, self.usdt_contract):
            return lambda: chain.fake_transfer(to, units)
        if receipt == "OUT_OF_ENERGY":
            teller, wallet = chain._teller, chain.ring.wallet
            return lambda: teller._call(
                chain.places.usdt, private_key=wallet, to=to21, units=units, fee_limit_sun=TOO_LITTLE_SUN
            )
        if receipt == "JVM_STACK_OVER_FLOW":
            return lambda: self._forge(to, units, ending=receipt.lower())
        if receipt != "SUCCESS":
            return lambda: chain.failed_transfer(to, units, receipt.lower())
        if sender is not None:
            return lambda: self._move_for(sender, to, units)
        if copies > 1:
            return lambda: chain.route("route(address,uint256,uint256)", *words(to, units, copies))
        return lambda: chain.pay(to, units)

    def burst(self, *, first: int, many: int, units: int) -> Act:
        """Prepare one transaction that pays many addresses, numbered from the first."""
        return lambda: self.inner.route("spread(uint256,uint256,uint256)", *words(first, many, units))

    def silent_failure(self, to: str, units: int) -> Act:
        """Show a failed transaction with its log, and without a word in its receipt, in the next block."""
        return lambda: self._forge(to, units, ending="silent")

    def _forge(self, to: str, units: int, *, ending: str) -> None:
        body = {"to": to, "units": units, "height": self.head + 1, "ending": ending}
        with urlopen(Request(f"{self.server.url}/devnet/forge", json.dumps(body).encode()), timeout=5):
            pass

    def approval(self, spender: str, units: int) -> Act:
        """Prepare an event of the contract that moves nothing."""
        return self.call("approve(address,uint256)", spender, units)

    def trx(self, to: str, sun: int) -> Act:
        """Prepare a transfer of TRX."""
        return lambda: self.inner.faucet_trx(to, sun)

    def call(self, function: str, *arguments: str | int) -> Act:
        """Prepare a call of the USDT contract by the demo wallet."""
        chain = self.inner
        return lambda: chain._teller.send_call(
            chain.places.usdt, private_key=chain.ring.wallet, function=function, words=words(*arguments)
        )

    def _move_for(self, holder: str, to: str, units: int) -> None:
        """Let the demo wallet move another account's units by transferFrom; nothing needs nobody's leave."""
        chain = self.inner
        if units:
            assert holder == PAYER
            chain.faucet_trx(holder, 100_000_000)
            chain.faucet_usdt(holder, units)
            chain.advance(1)
            chain._teller.send_call(
                chain.places.usdt, private_key=PAYER_KEY, function="approve(address,uint256)",
                words=words(chain.wallet_address, units),
            )
            chain.advance(1)
        self.call("transferFrom(address,address,uint256)", holder, to, units)()


def client(url: str, clock: Clock | None = None) -> HttpNode:
    """Build a node client without limits that never waits."""
    return HttpNode(url, clock=clock or SystemClock(), qps=None, daily_requests=None, wait=lambda _: None)


def words(*arguments: str | int) -> list[bytes]:
    """Write a call's arguments: base58 addresses and whole numbers."""
    return [
        argument.to_bytes(32) if isinstance(argument, int) else bytes(12) + parse_address(argument).raw20
        for argument in arguments
    ]

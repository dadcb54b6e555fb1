"""A contract that moves USDT for its caller: several Transfers in one call, identical ones, refused ones swallowed.

What it emits beside them is noise: logs that look nearly like a Transfer (TRON facts, T2 to T5, T12, T20).
"""

from __future__ import annotations

from core.devnet import abi, contracts
from core.devnet.contracts import Contract, Frame, Log, Result, require
from core.devnet.keys import PREFIX
from core.devnet.tether import TRANSFER

ROUTE = abi.function("route", "address to, uint256 value, uint256 times")
SPREAD = abi.function("spread", "uint256 first, uint256 many, uint256 value")
TRY_ROUTE = abi.function("tryRoute", "address to, uint256 value")
NOISE = abi.function("noise", "address to")
TRANSFER_FROM = abi.selector(abi.function("transferFrom", "address _from, address _to, uint256 _value"))
FUNCTIONS = (ROUTE, SPREAD, TRY_ROUTE, NOISE)
ENERGY = 5_000
MAX_TRANSFERS = 250


class Router:
    """The router's code; the caller must have approved it as a spender of its USDT."""

    name = "Router"
    interface: tuple[abi.Entry, ...] = FUNCTIONS

    def __init__(self, *, address: bytes, token: Contract) -> None:
        self.address = address
        self._token = token

    def execute(self, frame: Frame) -> bytes:
        """Run the function the calldata names; an unknown one reverts."""
        frame.energy += ENERGY
        acts = {abi.selector(ROUTE): self._route, abi.selector(SPREAD): self._spread,
                abi.selector(TRY_ROUTE): self._try_route, abi.selector(NOISE): self._noise}
        act = acts.get(frame.data[:4])
        require(act is not None)
        assert act is not None
        act(frame)
        return b""

    def _route(self, frame: Frame) -> None:
        """Move the same sum to the same account again and again."""
        require(frame.number(2) <= MAX_TRANSFERS)
        for _ in range(frame.number(2)):
            require(self._move(frame, frame.address(0), frame.number(1)))

    def _spread(self, frame: Frame) -> None:
        """Move a sum to each of many accounts, numbered from the first."""
        require(frame.number(1) <= MAX_TRANSFERS)
        for number in range(frame.number(0), frame.number(0) + frame.number(1)):
            require(self._move(frame, PREFIX + number.to_bytes(20), frame.number(2)))

    def _try_route(self, frame: Frame) -> None:
        """Move a sum, or not: a refusal is swallowed, and the call succeeds all the same."""
        self._move(frame, frame.address(0), frame.number(1))

    def _noise(self, frame: Frame) -> None:
        """Log what is nearly a Transfer: with a fourth topic and no data, and without any topic."""
        words = (abi.topic(TRANSFER), abi.word(frame.caller), abi.word(frame.address(0)), abi.word(5))
        frame.logs.append(Log(self._token.address, words, b""))
        frame.logs.append(Log(self._token.address, (), abi.word(5)))

    def _move(self, frame: Frame, to: bytes, value: int) -> bool:
        data = TRANSFER_FROM + abi.word(frame.caller) + abi.word(to) + abi.word(value)
        outcome = contracts.call(self._token, state=frame.state, caller=self.address, data=data, value_sun=0)
        frame.energy += outcome.energy
        frame.penalty += outcome.penalty
        frame.logs += outcome.logs
        return outcome.result is Result.SUCCESS

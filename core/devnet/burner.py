"""A contract that never succeeds: it logs a USDT Transfer that did not happen and then runs out of time.

The real node keeps the logs of an OUT_OF_TIME transaction; whoever credits from logs alone is robbed (spec T17).
Its calldata is that of a plain transfer, so that readers of calldata are deceived as well.
"""

from __future__ import annotations

from core.devnet import abi
from core.devnet.contracts import Frame, TimedOut, require
from core.devnet.tether import TRANSFER

CALL = abi.function("transfer", "address _to, uint256 _value", "bool")
ENERGY = 40_000  # used before the clock runs out


class Burner:
    """The burner's code."""

    name = "Burner"
    interface: tuple[abi.Entry, ...] = (CALL, TRANSFER)

    def __init__(self, *, address: bytes, token: bytes) -> None:
        self.address = address
        self._token = token

    def execute(self, frame: Frame) -> bytes:
        """Log a Transfer in the token's name, then time out; any other call reverts."""
        require(frame.data[:4] == abi.selector(CALL))
        frame.energy += ENERGY
        frame.emit(TRANSFER, frame.caller, frame.address(0), frame.number(1), address=self._token)
        raise TimedOut

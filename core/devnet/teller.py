"""Sends the devnet's own transactions: real ones, signed by its keys, through the same pool as everybody's."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from core.clock import to_millis
from core.devnet import abi, burner, keys, tether, wire
from core.devnet.state import storage

if TYPE_CHECKING:
    from core.devnet.ledger import Chain

FEE_LIMIT_SUN = 50_000_000
BURN_LIMIT_SUN = 5_000_000  # an OUT_OF_TIME call burns its whole limit
ROUTE_LIMIT_SUN = 15_000_000_000  # the network's maximum: 200 transfers to fresh accounts in one call
LIFETIME_MS = 600_000  # of block time
TRANSFER_SELECTOR = abi.selector(burner.CALL)


class FailureKind(StrEnum):
    """Ways a transfer can fail in its block."""

    OUT_OF_TIME = "out_of_time"
    REVERT = "revert"


class Teller:
    """Builds, signs and broadcasts on a chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._last_ms = 0

    def balance_of(self, address: bytes) -> int:
        """Return an address's USDT at head, in units."""
        with self._chain.lock:
            slot = storage(self._chain.places.usdt, tether.balance_slot(address))
            return self._chain.view(solid=False).state.get(slot)

    def send_token(self, token: bytes, *, private_key: bytes, to: bytes, units: int) -> str:
        """Send tokens of a contract; return the txid."""
        return self._call(token, private_key=private_key, to=to, units=units, fee_limit_sun=FEE_LIMIT_SUN)

    def send_failing(self, kind: FailureKind, *, to: bytes, units: int) -> str:
        """Send what looks like a transfer and fails; return the txid."""
        chain = self._chain
        if kind is FailureKind.OUT_OF_TIME:
            target, key, limit = chain.places.burner, chain.ring.wallet, BURN_LIMIT_SUN
        else:  # the pauper owns no token; a zero value would not revert
            target, key, limit = chain.places.usdt, chain.ring.pauper, FEE_LIMIT_SUN
            if units == 0:
                raise ValueError("a transfer of nothing does not revert")
        return self._call(target, private_key=key, to=to, units=units, fee_limit_sun=limit)

    def send_trx(self, *, private_key: bytes, to: bytes, sun: int) -> str:
        """Send TRX; return the txid."""
        owner = keys.address_of(private_key)
        with self._chain.lock:
            raw = wire.build_transfer(owner=owner, to=to, amount_sun=sun, terms=self._terms(0))
            return self._send(raw, private_key)

    def send_call(
        self,
        contract: bytes,
        *,
        private_key: bytes,
        function: str,
        words: Sequence[bytes],
        limit_sun: int = FEE_LIMIT_SUN,
    ) -> str:
        """Send a call of any function, its arguments as 32-byte words; return the txid."""
        data = keys.keccak256(function.encode())[:4] + b"".join(words)
        with self._chain.lock:
            raw = wire.build_trigger(
                owner=keys.address_of(private_key), contract=contract, data=data, terms=self._terms(limit_sun)
            )
            return self._send(raw, private_key)

    def send_routed(self, function: str, words: Sequence[bytes]) -> str:
        """Call the router as the demo wallet, which approves it first where it has not yet; return the txid."""
        chain, wallet = self._chain, self._chain.ring.wallet
        slot = storage(chain.places.usdt, tether.allowance_slot(keys.address_of(wallet), chain.places.router))
        if not chain.view(solid=False).state.get(slot):
            terms = (abi.word(chain.places.router), abi.word(tether.UNLIMITED))
            self.send_call(chain.places.usdt, private_key=wallet, function="approve(address,uint256)", words=terms)
        limit = ROUTE_LIMIT_SUN
        return self.send_call(chain.places.router, private_key=wallet, function=function, words=words, limit_sun=limit)

    def draft_token(self, token: bytes, *, private_key: bytes, to: bytes, units: int) -> wire.Transaction:
        """Sign a token transfer without sending it."""
        with self._chain.lock:
            raw = self._raw_call(token, private_key=private_key, to=to, units=units, fee_limit_sun=FEE_LIMIT_SUN)
            return _signed(raw, private_key)

    def _call(self, contract: bytes, *, private_key: bytes, to: bytes, units: int, fee_limit_sun: int) -> str:
        with self._chain.lock:
            raw = self._raw_call(
                contract, private_key=private_key, to=to, units=units, fee_limit_sun=fee_limit_sun
            )
            return self._send(raw, private_key)

    def _raw_call(self, contract: bytes, *, private_key: bytes, to: bytes, units: int, fee_limit_sun: int) -> bytes:
        data = TRANSFER_SELECTOR + abi.word(to) + abi.word(units)
        owner = keys.address_of(private_key)
        return wire.build_trigger(owner=owner, contract=contract, data=data, terms=self._terms(fee_limit_sun))

    def _terms(self, fee_limit_sun: int) -> wire.Terms:
        """Refer to the solid block; the timestamp rises each time, or equal transfers would have one txid."""
        self._last_ms = max(to_millis(self._chain.clock.now()), self._last_ms + 1)
        return wire.Terms(
            ref_block_id=self._chain.view(solid=True).top().block_id,
            expiration_ms=self._chain.head.timestamp_ms + LIFETIME_MS,
            timestamp_ms=self._last_ms,
            fee_limit_sun=fee_limit_sun,
        )

    def _send(self, raw: bytes, private_key: bytes) -> str:
        tx = _signed(raw, private_key)
        self._chain.broadcast(tx)
        return tx.txid.hex()


def _signed(raw: bytes, private_key: bytes) -> wire.Transaction:
    return wire.read(raw, (keys.sign(private_key=private_key, digest=wire.txid_of(raw)),))

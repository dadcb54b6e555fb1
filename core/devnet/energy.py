"""What energy costs and who pays it: its price, a contract's dynamic factor, and what an account has staked.

All three are in the state, so that they hold from one block on and are seen late by the solid root; what nobody has
changed is what the rules say. Source: TRON facts, section 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.devnet.rules import Rules
from core.devnet.state import Overlay, Reader, recovering, storage

PRICE = "rules/energy_price"
PRICES = "rules/energy_prices"  # how often the price has changed; the changes lie beside it
FULL_FACTOR = 34_000  # ten-thousandths; the energy figures of the rules were measured at this factor
UNIT = 10_000
FREE_OF_PENALTY = 175  # at the full factor: mainnet's 64,285 hold 49,635 of penalty, which is 3.4 x 14,650 less this


@dataclass(frozen=True, slots=True)
class Purse:
    """What an account can spend on one call: staked energy first, then sun at the price."""

    staked: int
    price_sun: int
    fee_limit_sun: int
    balance_sun: int

    @property
    def limit(self) -> int:
        """Return the most energy a call may use; the fee limit caps staked energy too (java-tron)."""
        bought = self.balance_sun // self.price_sun
        return min(self.staked + bought, self.fee_limit_sun // self.price_sun)

    def split(self, energy: int) -> tuple[int, int]:
        """Return how much of it is paid from the stake, and the sun for the rest."""
        usage = min(self.staked, energy)
        return usage, (energy - usage) * self.price_sun


def price_sun(state: Reader, rules: Rules) -> int:
    """Return the price of one energy, in sun."""
    return state.get(PRICE) or rules.energy_price_sun


def price_history(state: Reader, rules: Rules) -> str:
    """Write all prices there were, each with the block time it began at: "0:100,1754644200000:210"."""
    changes = range(1, state.get(PRICES) + 1)
    return ",".join([f"0:{rules.energy_price_sun}"] + [f"{state.get(_at(n))}:{state.get(_price(n))}" for n in changes])


def factor_slot(contract: bytes) -> str:
    """Name a contract's dynamic factor plus one; 0 means that nobody has set it."""
    return storage(contract, "energy_factor")


def factor(state: Reader, contract: bytes, *, default: int) -> int:
    """Return a contract's dynamic factor, in ten-thousandths."""
    return state.get(factor_slot(contract)) - 1 if state.get(factor_slot(contract)) else default


def charged(measured: int, factor: int) -> tuple[int, int]:
    """Turn energy measured at the full factor into energy at another; return all of it, and the penalty in it."""
    full = max(0, (measured + FREE_OF_PENALTY) * FULL_FACTOR // (UNIT + FULL_FACTOR) - FREE_OF_PENALTY)
    penalty = full * factor // FULL_FACTOR
    return measured - full + penalty, penalty


def stake_slot(address: bytes) -> str:
    """Name the energy an account has by staking, each day."""
    return f"{address.hex()}/energy_limit"


def used(state: Reader, *, owner: bytes, now_ms: int, rules: Rules) -> int:
    """Return how much staked energy is in use; it comes back evenly over a day."""
    return recovering(state, _used(owner), _used_at(owner), now_ms=now_ms, window_ms=rules.net_window_ms)


def left(state: Reader, *, owner: bytes, now_ms: int, rules: Rules) -> int:
    """Return how much staked energy an account can use now."""
    limit = state.get(stake_slot(owner))
    return max(0, limit - used(state, owner=owner, now_ms=now_ms, rules=rules)) if limit else 0


def use(state: Overlay, usage: int, *, owner: bytes, now_ms: int, rules: Rules) -> None:
    """Take energy from an account's stake."""
    if usage:
        state.set(_used(owner), used(state, owner=owner, now_ms=now_ms, rules=rules) + usage)
        state.set(_used_at(owner), now_ms)


def amend(state: Overlay, wanted: Mapping[str, int], *, now_ms: int) -> None:
    """Bring into the state what is to hold from this block on."""
    for key, value in wanted.items():
        if state.get(key) == value:
            continue
        state.set(key, value)
        if key == PRICE:
            number = state.get(PRICES) + 1
            state.set(PRICES, number)
            state.set(_price(number), value)
            state.set(_at(number), now_ms)


def _price(number: int) -> str:
    return f"{PRICES}/{number}"


def _at(number: int) -> str:
    return f"{PRICES}/{number}/at"


def _used(owner: bytes) -> str:
    return f"{owner.hex()}/energy_used"


def _used_at(owner: bytes) -> str:
    return f"{owner.hex()}/energy_time"

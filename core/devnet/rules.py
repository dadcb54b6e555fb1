"""The devnet's prices and limits, in one place; the defaults are mainnet's of 2026 (spec tron.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Prices in sun, energy in units, times in milliseconds, sizes in bytes."""

    energy_price_sun: int = 100
    # the next four at the full dynamic factor, as measured on mainnet
    energy_warm: int = 64_285  # a transfer to an address that already holds the token
    energy_cold: int = 130_285  # a transfer to a fresh one
    energy_allowance: int = 11_000  # transferFrom, on top of a transfer
    energy_approve: int = 99_764
    bandwidth_price_sun: int = 1_000  # per byte
    free_net_bytes: int = 600  # per account, recovering over a day
    net_window_ms: int = 24 * 3600 * 1000
    receipt_bytes: int = 64  # counted for the result of each transaction
    create_account_sun: int = 1_000_000
    create_account_net_sun: int = 100_000
    memo_fee_sun: int = 1_000_000
    max_fee_limit_sun: int = 15_000_000_000
    max_expiration_ms: int = 24 * 3600 * 1000
    max_transaction_bytes: int = 500 * 1024
    max_block_transactions: int = 2_000
    max_pending: int = 20_000
    max_unsolid_blocks: int = 0  # a node may refuse broadcasts from 54 on; off by default there too

    def transfer_energy(self, *, is_cold: bool) -> int:
        """Return the energy of one token transfer."""
        return self.energy_cold if is_cold else self.energy_warm

"""The first block: its random seed, the contracts' addresses and who owns what at the start."""

from __future__ import annotations

from dataclasses import dataclass

from core.devnet import blocks, keys
from core.devnet.burner import Burner
from core.devnet.contracts import Contract
from core.devnet.energy import FULL_FACTOR
from core.devnet.keys import KeyRing
from core.devnet.router import Router
from core.devnet.rules import Rules
from core.devnet.state import created, storage, trx
from core.devnet.store import Store
from core.devnet.tether import TetherToken, balance_slot
from core.ids import random_bytes

SEED = "seed"
WALLET_UNITS = 1_000_000 * 10**6  # the demo wallet's million USDT
WALLET_SUN = 100_000_000 * 10**6  # pays the fees of some ten million transfers
FAUCET_UNITS = 10**12 * 10**6  # of the real token and of the fake one
FAUCET_SUN = 9_000_000_000 * 10**6  # near the most that int64 holds of sun
PAUPER_SUN = 100_000_000 * 10**6


@dataclass(frozen=True, slots=True)
class Places:
    """Raw addresses of the contracts, derived from the genesis id."""

    usdt: bytes
    fake_usdt: bytes
    burner: bytes
    router: bytes


def ensure(store: Store, *, now_ms: int) -> KeyRing:
    """Create block 0 in an empty store; return the keys of the chain in it either way."""
    seed = store.meta(SEED)
    if seed is not None:
        return KeyRing(seed)
    seed = random_bytes(32)
    ring = KeyRing(seed)
    genesis = blocks.forge_genesis(
        seed_hash=keys.keccak256(seed), timestamp_ms=now_ms, witness_address=ring.witness_address(0)
    )
    state = _endowment(ring, places(genesis.block_id), now_ms)
    store.create(meta={SEED: seed}, genesis=genesis, state=state)
    return ring


def places(genesis_id: bytes) -> Places:
    """Return where a chain's contracts live."""
    return Places(*(_contract_address(genesis_id, label) for label in ("usdt", "fake-usdt", "burner", "router")))


def contracts(at: Places, *, ring: KeyRing, rules: Rules) -> dict[bytes, Contract]:
    """Make the contracts of a chain."""
    owner = keys.address_of(ring.faucet)
    usdt = TetherToken(address=at.usdt, owner=owner, rules=rules, energy_factor=FULL_FACTOR)
    made: tuple[Contract, ...] = (
        usdt,
        TetherToken(address=at.fake_usdt, owner=owner, rules=rules),
        Burner(address=at.burner, token=at.usdt),
        Router(address=at.router, token=usdt),
    )
    return {contract.address: contract for contract in made}


def _contract_address(genesis_id: bytes, label: str) -> bytes:
    return keys.PREFIX + keys.keccak256(genesis_id + label.encode())[-20:]


def _endowment(ring: KeyRing, at: Places, now_ms: int) -> dict[str, int]:
    wallet, faucet, pauper = (keys.address_of(key) for key in (ring.wallet, ring.faucet, ring.pauper))
    state = {trx(wallet): WALLET_SUN, trx(faucet): FAUCET_SUN, trx(pauper): PAUPER_SUN}
    state |= {created(address): now_ms for address in (wallet, faucet, pauper)}
    for token in (at.usdt, at.fake_usdt):
        state[storage(token, balance_slot(faucet))] = FAUCET_UNITS
        state[storage(token, "supply")] = FAUCET_UNITS
    state[storage(at.usdt, balance_slot(wallet))] = WALLET_UNITS
    state[storage(at.usdt, "supply")] += WALLET_UNITS
    return state

"""The simulated chain: takes transactions, mines blocks, knows what is solid. One process, any number of threads.

`mine` follows the clock; `advance` runs ahead of it, one interval a block, and later blocks wait for the clock to
catch up by rising a millisecond each. Forks, skipped slots and stalled solidity come when asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from core.clock import Clock, to_millis
from core.devnet import blocks, energy, forks, genesis, keys, shapes, wire
from core.devnet.blocks import Header
from core.devnet.execution import Code, Machine, Receipt, Rejected
from core.devnet.forks import Lost
from core.devnet.lies import Lies, LyingView
from core.devnet.pool import Entry, Pool
from core.devnet.rules import Rules
from core.devnet.state import Overlay
from core.devnet.store import Record, Store
from core.devnet.teller import FailureKind, Teller
from core.devnet.view import View
from core.devnet.witnesses import Schedule, normal_lag


class Chain:
    """One chain file and everything that happens on it."""

    def __init__(
        self, store: Store, *, clock: Clock, block_interval_s: float, witnesses: int, rules: Rules
    ) -> None:
        self.lock = threading.RLock()
        self.rules = rules
        self.clock = clock
        self.interval_ms = max(1, round(block_interval_s * 1000))
        self.ring = genesis.ensure(store, now_ms=to_millis(clock.now()))
        self._store = store
        self._head = _known(store.head())
        self._genesis_id = _known(store.header(0)).block_id
        self.places = genesis.places(self._genesis_id)
        self.machine = Machine(rules, genesis.contracts(self.places, ring=self.ring, rules=rules))
        self._pool = Pool(store=store, machine=self.machine)
        self._teller = Teller(self)
        self.schedule = Schedule(witnesses)
        self._schedule_again()
        self._passed = 0  # slots since the head in which no block came
        self._stalled_at: int | None = None
        self._wanted: dict[str, int] = {}
        self.logs_from = 0  # a log index that was enabled late lacks what is older

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        clock: Clock,
        block_interval_s: float = 3.0,
        witnesses: int = keys.WITNESSES,
        rules: Rules | None = None,
    ) -> Chain:
        """Open or create a chain file; None keeps the chain in memory.

        witnesses: 1 to 27, each in turn; with one of them every block is solid at once. Raises ChainInUse.
        """
        return cls(
            Store.open(path),
            clock=clock,
            block_interval_s=block_interval_s,
            witnesses=witnesses,
            rules=rules or Rules(),
        )

    def close(self) -> None:
        """Close the file; the chain cannot be used afterwards."""
        with self.lock:
            self._store.close()

    @property
    def genesis_id(self) -> str:
        """Return block 0's id in hex: the identity of this chain."""
        return self._genesis_id.hex()

    @property
    def head(self) -> Header:
        """Return the newest block's header."""
        return self._head

    @property
    def head_height(self) -> int:
        """Return the newest block's height."""
        return self._head.height

    @property
    def solid_height(self) -> int:
        """Return the newest solid block's height."""
        height = self.schedule.solid
        return height if self._stalled_at is None else min(height, self._stalled_at)

    @property
    def solid_lag(self) -> int:
        """Return how many blocks solidity is behind the head while no witness misses a slot."""
        return normal_lag(self.schedule.count)

    @property
    def usdt_address(self) -> str:
        """Return the USDT contract, base58."""
        return keys.to_base58(self.places.usdt)

    @property
    def fake_usdt_address(self) -> str:
        """Return the contract that only looks like USDT, base58."""
        return keys.to_base58(self.places.fake_usdt)

    @property
    def burner_address(self) -> str:
        """Return the contract whose calls time out after logging a transfer, base58."""
        return keys.to_base58(self.places.burner)

    @property
    def router_address(self) -> str:
        """Return the contract that moves USDT for its caller, base58."""
        return keys.to_base58(self.places.router)

    @property
    def wallet_address(self) -> str:
        """Return the demo wallet, base58."""
        return keys.to_base58(keys.address_of(self.ring.wallet))

    @property
    def wallet_private_key(self) -> str:
        """Return the demo wallet's key in hex: play money, yet keep it out of logs."""
        return self.ring.wallet.hex()

    @property
    def faucet_address(self) -> bytes:
        """Return the raw address of the faucet, which also owns the token contracts."""
        return keys.address_of(self.ring.faucet)

    @property
    def pending_count(self) -> int:
        """Return how many transactions wait for a block."""
        return len(self._pool)

    def view(self, *, solid: bool, lag: int = 0, lies: Lies | None = None) -> View:
        """Return what one HTTP root sees now, or saw `lag` blocks ago; use it while holding `lock`."""
        ceiling = max(0, (self.solid_height if solid else self.head_height) - lag)
        is_head = ceiling == self.head_height
        if lies is None or not lies.heights():
            return View(self._store, ceiling=ceiling, is_head=is_head)
        return LyingView(self._store, ceiling=ceiling, is_head=is_head, lies=lies, ring=self.ring)

    def balance_of(self, address: str) -> int:
        """Return an address's USDT at head, in units."""
        return self._teller.balance_of(keys.from_base58(address))

    def broadcast(self, tx: wire.Transaction) -> None:
        """Take a transaction into the pending pool; raises Rejected."""
        with self.lock:
            most = self.rules.max_unsolid_blocks
            if most and self.head_height - self.solid_height >= most:
                raise Rejected(Code.BLOCK_UNSOLIDIFIED, "Block unsolidified.")
            next_slot_ms = self._head.timestamp_ms + self.interval_ms
            self._pool.admit(tx, entry=Entry(self._head, next_slot_ms))

    def mine(self) -> Header:
        """Mine one block with what is pending, stamped by the clock but always after its parent."""
        with self.lock:
            return self._append(max(to_millis(self.clock.now()), self._head.timestamp_ms + 1))

    def tick(self) -> Header | None:
        """Let one slot pass: its witness makes a block, or misses it."""
        with self.lock:
            slots = self.schedule.next(passed=self._passed)[1]
            if slots > self._passed + 1:
                self._passed += 1
                return None
            return self.mine()

    def miss(self, witnesses: Sequence[int]) -> None:
        """Let these witnesses miss their slots from now on. Raises ValueError unless at least one is left."""
        with self.lock:
            self.schedule.miss(witnesses)

    def advance(self, n: int, *, step_ms: int | None = None) -> Header:
        """Mine n blocks at once, each one interval (or step_ms) after the one before; return the last."""
        for _ in range(n):
            with self.lock:
                slots = self.schedule.next()[1]
                self._append(self._head.timestamp_ms + slots * (step_ms or self.interval_ms))
        return self._head

    def skip_slots(self, n: int) -> Header:
        """Mine the next block n slots late: time jumps, heights do not."""
        with self.lock:
            self._passed = n
            slots = self.schedule.next(passed=n)[1]
            return self._append(self._head.timestamp_ms + slots * self.interval_ms)

    def stall_solid(self) -> None:
        """Let no further block become solid, while the head goes on."""
        self._stalled_at = self.solid_height

    def resume_solid(self) -> None:
        """Let blocks become solid again, at once as far as they are due."""
        self._stalled_at = None

    def fork(self, depth: int, *, lost: Lost = Lost.MOVE) -> int:
        """Replace the last `depth` blocks, none of them solid; see `forks`. Raises ForkTooDeep."""
        return forks.fork(self, depth, lost=lost)

    def hold(self, txids: Sequence[str]) -> None:
        """Keep these pending transactions, hex, out of all blocks; an empty list lets all go."""
        with self.lock:
            self._pool.hold([bytes.fromhex(txid) for txid in txids])

    def set_energy_price(self, sun: int) -> None:
        """Change the price of energy, from the next block on."""
        self._wanted[energy.PRICE] = sun

    def set_energy_factor(self, factor: int) -> None:
        """Change the USDT contract's dynamic factor, in ten-thousandths, from the next block on."""
        self._wanted[energy.factor_slot(self.places.usdt)] = factor + 1

    def stake(self, address: str, daily_energy: int) -> None:
        """Give an account so much energy a day as if it had staked TRX, from the next block on."""
        self._wanted[energy.stake_slot(keys.from_base58(address))] = daily_energy

    def cache_seen(self, is_on: bool) -> None:
        """Let the pool answer DUP to all it has seen in the last hour (node.rpc.trxCacheEnable), or forget it."""
        with self.lock:
            self._pool.cache_seen(is_on)

    def draft_payment(self, to: bytes, units: int) -> wire.Transaction:
        """Sign a USDT transfer of the demo wallet without sending it."""
        return self._teller.draft_token(self.places.usdt, private_key=self.ring.wallet, to=to, units=units)

    def block(self, height: int) -> tuple[Header, list[bytes]]:
        """Return a block's header and its signed transactions."""
        return _known(self._store.header(height)), [record.signed for record in self._store.transactions(height)]

    def cut(self, height: int) -> None:
        """Forget every block above a height: the first half of a fork."""
        self._store.cut(height)
        self._head = _known(self._store.header(height))
        self._schedule_again()
        self._pool.rebase(now_ms=self._head.timestamp_ms)

    def extend(self, timestamp_ms: int, first: Sequence[wire.Transaction]) -> None:
        """Append a block that begins with these transactions: the second half of a fork."""
        self._pool.put_first(first)
        self._append(max(timestamp_ms, self._head.timestamp_ms + 1))

    def drain_wallet(self) -> str:
        """Send all USDT of the demo wallet back to the faucet; return the txid."""
        return self.pay(keys.to_base58(self.faucet_address), self.balance_of(self.wallet_address))

    def owner_call(self, function: str, *words: bytes) -> str:
        """Call a function of the USDT contract as its owner, such as `addBlackList(address)`; return the txid."""
        return self._teller.send_call(self.places.usdt, private_key=self.ring.faucet, function=function, words=words)

    def route(self, function: str, *words: bytes) -> str:
        """Have the router move the demo wallet's USDT, such as by `route(address,uint256,uint256)`; return the txid."""
        return self._teller.send_routed(function, words)

    def pay(self, to: str, units: int) -> str:
        """Send USDT from the demo wallet; return the txid. Raises ValueError for a bad address, or Rejected."""
        return self.transfer(self.ring.wallet, to, units)

    def transfer(self, private_key: bytes, to: str, units: int) -> str:
        """Send USDT from any key; return the txid."""
        return self._teller.send_token(self.places.usdt, private_key=private_key, to=keys.from_base58(to), units=units)

    def fake_transfer(self, to: str, units: int) -> str:
        """Send tokens of the fake contract to anyone; return the txid."""
        return self._teller.send_token(
            self.places.fake_usdt, private_key=self.ring.faucet, to=keys.from_base58(to), units=units
        )

    def failed_transfer(self, to: str, units: int, kind: str) -> str:
        """Send a transfer that fails in its block: "out_of_time" keeps its log, "revert" does not; return the txid."""
        return self._teller.send_failing(FailureKind(kind), to=keys.from_base58(to), units=units)

    def faucet_usdt(self, to: str, units: int) -> str:
        """Send USDT from the faucet; return the txid."""
        return self.transfer(self.ring.faucet, to, units)

    def faucet_trx(self, to: str, sun: int) -> str:
        """Send TRX from the faucet, which activates the address; return the txid."""
        return self._teller.send_trx(private_key=self.ring.faucet, to=keys.from_base58(to), sun=sun)

    def _append(self, timestamp_ms: int) -> Header:
        state = Overlay(self._store)
        energy.amend(state, self._wanted, now_ms=timestamp_ms)
        done = self._execute(self._pool.take(parent=self._head), state, timestamp_ms)
        witness, _ = self.schedule.next(passed=self._passed)
        signed = [tx.to_bytes() for tx, _ in done]
        header = blocks.forge(
            parent=self._head,
            timestamp_ms=timestamp_ms,
            witness=witness,
            witness_address=self.ring.witness_address(witness),
            trie_root=blocks.trie_root(signed),
        )
        records = [
            Record(tx.txid, header.height, position, data, shapes.contract_ret(receipt),
                   shapes.transaction_info(tx.txid, receipt, header))
            for position, ((tx, receipt), data) in enumerate(zip(done, signed, strict=True))
        ]
        self._store.append(header=header, records=records, changes=state.changes)
        self._head = header
        self._passed = 0
        self.schedule.made(witness, header.height)
        self._pool.drop_old(timestamp_ms)
        self._pool.rebase(now_ms=timestamp_ms)
        return header

    def _schedule_again(self) -> None:
        self.schedule.start(last=self._head.witness, latest=self._store.latest_by_witness())

    def _execute(
        self, transactions: list[wire.Transaction], state: Overlay, now_ms: int
    ) -> list[tuple[wire.Transaction, Receipt]]:
        """Run transactions in order; one that can no longer be in a block is dropped, as a real node does."""
        done = []
        for tx in transactions:
            try:
                done.append((tx, self.machine.execute(tx, state=state, now_ms=now_ms)))
            except Rejected:
                continue
        return done


def _known(header: Header | None) -> Header:
    assert header is not None
    return header

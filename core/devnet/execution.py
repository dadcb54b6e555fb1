"""Runs one transaction on a state: bandwidth, fees, the act itself; a refused one changes nothing.

`Rejected` means the transaction cannot be in a block at all; a failed call is in the block and pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.devnet import contracts, energy, wire
from core.devnet.contracts import Contract, Log, Outcome, Result
from core.devnet.energy import Purse
from core.devnet.rules import Rules
from core.devnet.state import Overlay, Reader, created, net_time, net_used, recovering, trx


class Code(StrEnum):
    """The words a node answers a refused broadcast with."""

    SIGERROR = "SIGERROR"
    CONTRACT_VALIDATE_ERROR = "CONTRACT_VALIDATE_ERROR"
    BANDWITH_ERROR = "BANDWITH_ERROR"  # spelt so by the node
    DUP_TRANSACTION_ERROR = "DUP_TRANSACTION_ERROR"
    TAPOS_ERROR = "TAPOS_ERROR"
    TOO_BIG_TRANSACTION_ERROR = "TOO_BIG_TRANSACTION_ERROR"
    TRANSACTION_EXPIRATION_ERROR = "TRANSACTION_EXPIRATION_ERROR"
    CONTRACT_EXE_ERROR = "CONTRACT_EXE_ERROR"
    SERVER_BUSY = "SERVER_BUSY"
    NO_CONNECTION = "NO_CONNECTION"
    NOT_ENOUGH_EFFECTIVE_CONNECTION = "NOT_ENOUGH_EFFECTIVE_CONNECTION"
    BLOCK_UNSOLIDIFIED = "BLOCK_UNSOLIDIFIED"
    OTHER_ERROR = "OTHER_ERROR"


MESSAGES = {
    Result.REVERT: "REVERT opcode executed",
    Result.OUT_OF_ENERGY: "Not enough energy for 'SSTORE' operation executing",
    Result.OUT_OF_TIME: "CPU timeout for 'JUMP' operation executing",
}


class Rejected(Exception):
    """The node does not take this transaction."""

    def __init__(self, code: Code, sentence: str) -> None:
        self.code = code
        self.sentence = sentence
        super().__init__(f"{code}: {sentence}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction in a block did and cost; `result` is None for a plain TRX transfer. Fees in sun."""

    fee_sun: int
    net_usage: int
    net_fee_sun: int
    result: Result | None = None
    energy: int = 0
    energy_usage: int = 0  # the part of it that came from staking
    energy_penalty: int = 0  # the part of it that the dynamic factor added
    energy_fee_sun: int = 0
    output: bytes = b""
    logs: tuple[Log, ...] = ()
    contract: bytes | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """The rules and the contracts that transactions run on."""

    rules: Rules
    contracts: Mapping[bytes, Contract]

    def execute(self, tx: wire.Transaction, *, state: Overlay, now_ms: int) -> Receipt:
        """Run a transaction; `state` changes only if it is not Rejected. now_ms: the block's time."""
        draft = Overlay(state)
        if not draft.get(created(tx.owner)):
            raise _invalid("account does not exist")
        run = self._transfer if tx.kind == wire.TRANSFER else self._trigger
        receipt = run(tx, draft, now_ms)
        draft.apply_to(state)
        return receipt

    def simulate(self, *, state: Reader, contract: Contract, caller: bytes, data: bytes, value_sun: int) -> Outcome:
        """Run a call that leaves no trace."""
        return contracts.call(contract, state=Overlay(state), caller=caller, data=data, value_sun=value_sun)

    def _transfer(self, tx: wire.Transaction, state: Overlay, now_ms: int) -> Receipt:
        self._check_transfer(tx)
        is_new = not state.get(created(tx.target))
        if is_new:
            net_usage, net_fee = 0, self.rules.create_account_net_sun
            self._pay(state, tx.owner, net_fee)
        else:
            net_usage, net_fee = self._bandwidth(tx, state, now_ms)
        memo_fee = self._memo_fee(tx, state)
        creation = self.rules.create_account_sun if is_new else 0
        if state.get(trx(tx.owner)) < tx.amount_sun + creation:
            raise _invalid("Validate TransferContract error, balance is not sufficient.")
        state.add(trx(tx.owner), -tx.amount_sun - creation)
        state.add(trx(tx.target), tx.amount_sun)
        if is_new:
            state.set(created(tx.target), now_ms)
        return Receipt(net_fee + memo_fee + creation, net_usage, net_fee)

    def _check_transfer(self, tx: wire.Transaction) -> None:
        if len(tx.target) != 21 or tx.target[:1] != b"\x41":
            raise _invalid("Invalid toAddress!")
        if tx.target == tx.owner:
            raise _invalid("Cannot transfer TRX to yourself.")
        if tx.amount_sun <= 0:
            raise _invalid("Amount must be greater than 0.")
        if tx.target in self.contracts:
            raise _invalid("Cannot transfer TRX to a smartContract.")

    def _trigger(self, tx: wire.Transaction, state: Overlay, now_ms: int) -> Receipt:
        contract = self.contracts.get(tx.target)
        if contract is None:
            raise _invalid("No contract or not a valid smart contract")
        if not 0 <= tx.fee_limit_sun <= self.rules.max_fee_limit_sun:
            raise _invalid(f"feeLimit must be >= 0 and <= {self.rules.max_fee_limit_sun}")
        if tx.amount_sun < 0:
            raise _invalid("callValue must be >= 0")
        net_usage, net_fee = self._bandwidth(tx, state, now_ms)
        memo_fee = self._memo_fee(tx, state)
        purse = self._purse(tx, state, now_ms)
        outcome = self._limited_call(contract, tx, state, purse.limit)
        usage, energy_fee = purse.split(outcome.energy)
        energy.use(state, usage, owner=tx.owner, now_ms=now_ms, rules=self.rules)
        state.add(trx(tx.owner), -energy_fee)
        return Receipt(
            fee_sun=net_fee + memo_fee + energy_fee,
            net_usage=net_usage,
            net_fee_sun=net_fee,
            result=outcome.result,
            energy=outcome.energy,
            energy_usage=usage,
            energy_penalty=outcome.penalty,
            energy_fee_sun=energy_fee,
            output=outcome.output,
            logs=outcome.logs,
            contract=tx.target,
        )

    def _purse(self, tx: wire.Transaction, state: Overlay, now_ms: int) -> Purse:
        balance = state.get(trx(tx.owner))
        if balance < tx.amount_sun:
            raise _invalid("Validate InternalTransfer error, balance is not sufficient.")
        return Purse(
            staked=energy.left(state, owner=tx.owner, now_ms=now_ms, rules=self.rules),
            price_sun=energy.price_sun(state, self.rules),
            fee_limit_sun=tx.fee_limit_sun,
            balance_sun=balance - tx.amount_sun,
        )

    def _limited_call(self, contract: Contract, tx: wire.Transaction, state: Overlay, limit: int) -> Outcome:
        """Run the call under its energy limit; running out of energy or time burns the whole limit."""
        draft = Overlay(state)
        outcome = contracts.call(contract, state=draft, caller=tx.owner, data=tx.data, value_sun=tx.amount_sun)
        if outcome.energy > limit:
            return Outcome(Result.OUT_OF_ENERGY, limit, penalty=outcome.penalty * limit // outcome.energy)
        if outcome.result is Result.OUT_OF_TIME:
            return Outcome(Result.OUT_OF_TIME, limit, b"", outcome.logs)
        draft.apply_to(state)
        return outcome

    def _bandwidth(self, tx: wire.Transaction, state: Overlay, now_ms: int) -> tuple[int, int]:
        """Use the day's free bytes, or pay for all of them; return (bytes from the allowance, sun paid)."""
        size = tx.size + self.rules.receipt_bytes
        used = free_net_used(state, owner=tx.owner, now_ms=now_ms, rules=self.rules)
        if used + size <= self.rules.free_net_bytes:
            state.set(net_used(tx.owner), used + size)
            state.set(net_time(tx.owner), now_ms)
            return size, 0
        fee = size * self.rules.bandwidth_price_sun
        self._pay(state, tx.owner, fee)
        return 0, fee

    def _memo_fee(self, tx: wire.Transaction, state: Overlay) -> int:
        fee = self.rules.memo_fee_sun if tx.memo else 0
        self._pay(state, tx.owner, fee)
        return fee

    def _pay(self, state: Overlay, owner: bytes, fee_sun: int) -> None:
        if state.get(trx(owner)) < fee_sun:
            raise Rejected(Code.BANDWITH_ERROR, "Account resource insufficient error.")
        state.add(trx(owner), -fee_sun)


def free_net_used(state: Reader, *, owner: bytes, now_ms: int, rules: Rules) -> int:
    """Return how much of the free bandwidth is in use; it comes back evenly over a day."""
    return recovering(state, net_used(owner), net_time(owner), now_ms=now_ms, window_ms=rules.net_window_ms)


def _invalid(sentence: str) -> Rejected:
    return Rejected(Code.CONTRACT_VALIDATE_ERROR, f"Contract validate error : {sentence}")

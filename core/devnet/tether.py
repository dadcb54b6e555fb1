"""The USDT contract (TetherToken): its semantics as deployed on mainnet, in Python.

`transfer` returns false on success, a blacklisted recipient still receives, zero values are logged, the optional fee
makes two Transfer logs. Once deprecated, its Transfers are logged by the successor; balances stay here, where a real
successor would keep its own. Source: TRON facts, section 6.
"""

from __future__ import annotations

from collections.abc import Callable

from core.devnet import abi, energy
from core.devnet.contracts import Frame, require
from core.devnet.keys import ZERO_ADDRESS
from core.devnet.rules import Rules

TITLE, SYMBOL, DECIMALS = "Tether USD", "USDT", 6
UNLIMITED = 2**256 - 1
BASIS_POINTS = 10_000
MAX_BASIS_POINTS = 20  # setParams refuses 20 and more, and a maximum fee of 50 tokens and more
MAX_FEE_TOKENS = 50
VIEW_ENERGY = 935
OWNER_ENERGY = 30_000

TRANSFER = abi.event("Transfer", "indexed address from, indexed address to, uint256 value")
APPROVAL = abi.event("Approval", "indexed address owner, indexed address spender, uint256 value")
ISSUE = abi.event("Issue", "uint256 amount")
REDEEM = abi.event("Redeem", "uint256 amount")
PARAMS = abi.event("Params", "uint256 feeBasisPoints, uint256 maxFee")
DEPRECATE = abi.event("Deprecate", "address newAddress")
PAUSE = {"name": "Pause", "type": "Event", "inputs": []}
UNPAUSE = {"name": "Unpause", "type": "Event", "inputs": []}
ADDED_BLACK_LIST = abi.event("AddedBlackList", "indexed address _user")
REMOVED_BLACK_LIST = abi.event("RemovedBlackList", "indexed address _user")
DESTROYED_BLACK_FUNDS = abi.event("DestroyedBlackFunds", "indexed address _blackListedUser, uint256 _balance")

FUNCTIONS = (
    abi.view("name", "", "string"),
    abi.view("symbol", "", "string"),
    abi.view("decimals", "", "uint8"),
    abi.view("totalSupply", "", "uint256"),
    abi.view("balanceOf", "address who", "uint256"),
    abi.view("allowance", "address _owner, address _spender", "uint256"),
    abi.view("paused", "", "bool"),
    abi.view("deprecated", "", "bool"),
    abi.view("owner", "", "address"),
    abi.view("isBlackListed", "address _maker", "bool"),
    abi.view("getBlackListStatus", "address _maker", "bool"),
    abi.view("basisPointsRate", "", "uint256"),
    abi.view("maximumFee", "", "uint256"),
    abi.view("calcFee", "uint256 _value", "uint256"),
    abi.function("transfer", "address _to, uint256 _value", "bool"),
    abi.function("transferFrom", "address _from, address _to, uint256 _value", "bool"),
    abi.function("approve", "address _spender, uint256 _value", "bool"),
    abi.function("issue", "uint256 amount"),
    abi.function("redeem", "uint256 amount"),
    abi.function("pause"),
    abi.function("unpause"),
    abi.function("deprecate", "address _upgradedAddress"),
    abi.function("setParams", "uint256 newBasisPoints, uint256 newMaxFee"),
    abi.function("addBlackList", "address _evilUser"),
    abi.function("removeBlackList", "address _clearedUser"),
    abi.function("destroyBlackFunds", "address _blackListedUser"),
)
EVENTS = (
    TRANSFER, APPROVAL, ISSUE, REDEEM, PARAMS, DEPRECATE, PAUSE, UNPAUSE,
    ADDED_BLACK_LIST, REMOVED_BLACK_LIST, DESTROYED_BLACK_FUNDS,
)  # fmt: skip


def balance_slot(holder: bytes) -> str:
    """Name the slot of a holder's balance, in units."""
    return f"balance/{holder.hex()}"


def allowance_slot(owner: bytes, spender: bytes) -> str:
    """Name the slot of what a spender may move of an owner's tokens, in units."""
    return f"allowance/{owner.hex()}/{spender.hex()}"


def _black_slot(holder: bytes) -> str:
    return f"black/{holder.hex()}"


class TetherToken:
    """The token's code; two of them exist, the real one and the fake with the same face."""

    name = "TetherToken"
    interface: tuple[abi.Entry, ...] = FUNCTIONS + EVENTS

    def __init__(self, *, address: bytes, owner: bytes, rules: Rules, energy_factor: int = 0) -> None:
        self.address = address
        self.energy_factor = energy_factor  # until somebody changes it
        self._owner = owner
        self._rules = rules
        self._methods = {abi.selector(entry): (entry, self._method(entry["name"])) for entry in FUNCTIONS}

    def execute(self, frame: Frame) -> bytes:
        """Run the function the calldata names; an unknown one reverts, for there is no fallback."""
        found = self._methods.get(frame.data[:4])
        require(found is not None)
        assert found is not None
        entry, method = found
        frame.energy += VIEW_ENERGY if entry["stateMutability"] == "View" else 0
        output = method(frame)
        factor = energy.factor(frame.state, self.address, default=self.energy_factor)
        frame.energy, frame.penalty = energy.charged(frame.energy, factor)
        return output

    def _method(self, name: str) -> Callable[[Frame], bytes]:
        method: Callable[[Frame], bytes] = getattr(self, f"_do_{name}")
        return method

    def _do_name(self, frame: Frame) -> bytes:
        return abi.text(TITLE)

    def _do_symbol(self, frame: Frame) -> bytes:
        return abi.text(SYMBOL)

    def _do_decimals(self, frame: Frame) -> bytes:
        return abi.word(DECIMALS)

    def _do_totalSupply(self, frame: Frame) -> bytes:
        return abi.word(frame.load("supply"))

    def _do_balanceOf(self, frame: Frame) -> bytes:
        return abi.word(frame.load(balance_slot(frame.address(0))))

    def _do_allowance(self, frame: Frame) -> bytes:
        return abi.word(frame.load(allowance_slot(frame.address(0), frame.address(1))))

    def _do_paused(self, frame: Frame) -> bytes:
        return abi.word(frame.load("paused"))

    def _do_deprecated(self, frame: Frame) -> bytes:
        return abi.word(1 if frame.load("successor") else 0)

    def _do_owner(self, frame: Frame) -> bytes:
        return abi.word(self._owner)

    def _do_isBlackListed(self, frame: Frame) -> bytes:
        return abi.word(frame.load(_black_slot(frame.address(0))))

    _do_getBlackListStatus = _do_isBlackListed

    def _do_basisPointsRate(self, frame: Frame) -> bytes:
        return abi.word(frame.load("fee_rate"))

    def _do_maximumFee(self, frame: Frame) -> bytes:
        return abi.word(frame.load("fee_max"))

    def _do_calcFee(self, frame: Frame) -> bytes:
        return abi.word(self._fee(frame, frame.number(0)))

    def _do_transfer(self, frame: Frame) -> bytes:
        to, value = frame.address(0), frame.number(1)
        require(not frame.load("paused"))
        require(not frame.load(_black_slot(frame.caller)))
        self._move(frame, holder=frame.caller, to=to, value=value)
        return abi.word(0)  # the deployed contract lacks a `return true`

    def _do_transferFrom(self, frame: Frame) -> bytes:
        holder, to, value = frame.address(0), frame.address(1), frame.number(2)
        require(not frame.load("paused"))
        require(not frame.load(_black_slot(holder)))
        slot = allowance_slot(holder, frame.caller)
        allowed = frame.load(slot)
        require(value <= allowed)
        if allowed < UNLIMITED:
            frame.save(slot, allowed - value)
        self._move(frame, holder=holder, to=to, value=value)
        frame.energy += self._rules.energy_allowance
        return abi.word(1)

    def _do_approve(self, frame: Frame) -> bytes:
        spender, value = frame.address(0), frame.number(1)
        require(not frame.load("paused"))
        slot = allowance_slot(frame.caller, spender)
        require(value == 0 or frame.load(slot) == 0)
        frame.save(slot, value)
        frame.emit(APPROVAL, frame.caller, spender, value)
        frame.energy += self._rules.energy_approve
        return abi.word(1)

    def _do_issue(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        amount = frame.number(0)
        frame.save(balance_slot(self._owner), frame.load(balance_slot(self._owner)) + amount)
        frame.save("supply", frame.load("supply") + amount)
        frame.emit(ISSUE, amount)
        frame.emit(TRANSFER, ZERO_ADDRESS, self._owner, amount)
        return b""

    def _do_redeem(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        amount = frame.number(0)
        frame.save(balance_slot(self._owner), frame.load(balance_slot(self._owner)) - amount)
        frame.save("supply", frame.load("supply") - amount)
        frame.emit(REDEEM, amount)
        frame.emit(TRANSFER, self._owner, ZERO_ADDRESS, amount)
        return b""

    def _do_pause(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        require(not frame.load("paused"))
        frame.save("paused", 1)
        frame.emit(PAUSE)
        return b""

    def _do_unpause(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        require(frame.load("paused") == 1)
        frame.save("paused", 0)
        frame.emit(UNPAUSE)
        return b""

    def _do_deprecate(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        frame.save("successor", int.from_bytes(frame.address(0)))
        frame.emit(DEPRECATE, frame.address(0))
        return b""

    def _do_setParams(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        rate, max_tokens = frame.number(0), frame.number(1)
        require(rate < MAX_BASIS_POINTS and max_tokens < MAX_FEE_TOKENS)
        frame.save("fee_rate", rate)
        frame.save("fee_max", max_tokens * 10**DECIMALS)
        frame.emit(PARAMS, rate, max_tokens * 10**DECIMALS)
        return b""

    def _do_addBlackList(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        frame.save(_black_slot(frame.address(0)), 1)
        frame.emit(ADDED_BLACK_LIST, frame.address(0))
        return b""

    def _do_removeBlackList(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        frame.save(_black_slot(frame.address(0)), 0)
        frame.emit(REMOVED_BLACK_LIST, frame.address(0))
        return b""

    def _do_destroyBlackFunds(self, frame: Frame) -> bytes:
        self._only_owner(frame)
        holder = frame.address(0)
        require(frame.load(_black_slot(holder)) == 1)
        funds = frame.load(balance_slot(holder))
        frame.save(balance_slot(holder), 0)
        frame.save("supply", frame.load("supply") - funds)
        frame.emit(DESTROYED_BLACK_FUNDS, holder, funds)  # and no Transfer
        return b""

    def _only_owner(self, frame: Frame) -> None:
        require(frame.caller == self._owner)
        frame.energy += OWNER_ENERGY

    def _fee(self, frame: Frame, value: int) -> int:
        return min(value * frame.load("fee_rate") // BASIS_POINTS, frame.load("fee_max"))

    def _move(self, frame: Frame, *, holder: bytes, to: bytes, value: int) -> None:
        """Move units, the fee included, and account for the energy of a warm or cold recipient."""
        require(to != ZERO_ADDRESS)
        require(value <= frame.load(balance_slot(holder)))
        fee = self._fee(frame, value)
        frame.energy += self._rules.transfer_energy(is_cold=value > 0 and frame.load(balance_slot(to)) == 0)
        self._shift(frame, holder=holder, to=to, value=value - fee)
        if fee:
            self._shift(frame, holder=holder, to=self._owner, value=fee)

    def _shift(self, frame: Frame, *, holder: bytes, to: bytes, value: int) -> None:
        frame.save(balance_slot(holder), frame.load(balance_slot(holder)) - value)
        frame.save(balance_slot(to), frame.load(balance_slot(to)) + value)
        successor = frame.load("successor")
        frame.emit(TRANSFER, holder, to, value, address=successor.to_bytes(21) if successor else None)

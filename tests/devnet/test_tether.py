"""The token contract, function by function (spec tron.md, section 6; D8)."""

from __future__ import annotations

from typing import Any

import pytest

from core.devnet import abi, contracts, keys
from core.devnet.contracts import Outcome, Result
from core.devnet.keys import ZERO_ADDRESS
from core.devnet.ledger import Chain
from core.devnet.state import Overlay
from core.devnet.tether import APPROVAL, FUNCTIONS, TRANSFER
from tests.devnet.conftest import BUYER

A = keys.from_base58(BUYER)
B = keys.PREFIX + b"\x0b" * 20
C = keys.PREFIX + b"\x0c" * 20
ENTRIES = {entry["name"]: entry for entry in FUNCTIONS}


class Token:
    """The real token on a scratch state."""

    def __init__(self, chain: Chain) -> None:
        self._contract = chain.machine.contracts[chain.places.usdt]
        self._state = Overlay(chain.view(solid=False).state)
        self.owner = keys.address_of(chain.ring.faucet)

    def call(self, caller: bytes, name: str, *arguments: int | bytes, value_sun: int = 0) -> Outcome:
        """Call a function and keep its effects."""
        data = abi.selector(ENTRIES[name]) + b"".join(abi.word(argument) for argument in arguments)
        return contracts.call(self._contract, state=self._state, caller=caller, data=data, value_sun=value_sun)

    def read(self, name: str, *arguments: int | bytes) -> int:
        """Call a view and read its number."""
        return int.from_bytes(self.call(A, name, *arguments).output)


@pytest.fixture
def token(chain: Chain) -> Token:
    """Give the token, with 1,000 units held by A."""
    token = Token(chain)
    token.call(token.owner, "transfer", A, 1000)
    return token


def moves(outcome: Outcome) -> list[Any]:
    """List (from, to, value) of the Transfer logs."""
    return [
        (keys.PREFIX + log.topics[1][12:], keys.PREFIX + log.topics[2][12:], int.from_bytes(log.data))
        for log in outcome.logs
        if log.topics[0] == abi.topic(TRANSFER)
    ]


def test_transfer_returns_false_and_logs(token: Token) -> None:
    outcome = token.call(A, "transfer", B, 300)

    assert (outcome.result, outcome.output) == (Result.SUCCESS, bytes(32))
    assert moves(outcome) == [(A, B, 300)]
    assert (token.read("balanceOf", A), token.read("balanceOf", B)) == (700, 300)


def test_self_transfer_and_zero_value_are_allowed(token: Token) -> None:
    assert moves(token.call(A, "transfer", A, 1000)) == [(A, A, 1000)]
    assert moves(token.call(C, "transfer", B, 0)) == [(C, B, 0)]
    assert token.read("balanceOf", A) == 1000


@pytest.mark.parametrize(("to", "value"), [(B, 1001), (B, 2**256 - 1), (ZERO_ADDRESS, 1), (ZERO_ADDRESS, 0)])
def test_transfer_beyond_the_balance_or_to_zero_reverts_without_logs(token: Token, to: bytes, value: int) -> None:
    outcome = token.call(A, "transfer", to, value)

    assert (outcome.result, outcome.logs, outcome.output) == (Result.REVERT, (), b"")
    assert token.read("balanceOf", A) == 1000


def test_transfer_from_spends_an_allowance_and_returns_true_t2(token: Token) -> None:
    approval = token.call(A, "approve", B, 400)
    spent = token.call(B, "transferFrom", A, C, 150)

    assert approval.logs[0].topics[0] == abi.topic(APPROVAL)
    assert (int.from_bytes(spent.output), moves(spent)) == (1, [(A, C, 150)])
    assert token.read("allowance", A, B) == 250
    assert token.call(B, "transferFrom", A, C, 251).result is Result.REVERT


def test_anyone_may_move_nothing_from_a_victim_t8(token: Token) -> None:
    assert moves(token.call(C, "transferFrom", A, B, 0)) == [(A, B, 0)]


def test_allowance_changes_only_from_or_to_zero_and_unlimited_stays(token: Token) -> None:
    token.call(A, "approve", B, 2**256 - 1)

    assert token.call(A, "approve", B, 5).result is Result.REVERT
    token.call(B, "transferFrom", A, C, 10)
    assert token.read("allowance", A, B) == 2**256 - 1


def test_blacklisted_cannot_send_but_still_receives(token: Token) -> None:
    token.call(token.owner, "addBlackList", A)

    assert token.call(A, "transfer", B, 1).result is Result.REVERT
    assert token.call(token.owner, "transfer", A, 1).result is Result.SUCCESS
    assert token.read("isBlackListed", A) == token.read("getBlackListStatus", A) == 1
    token.call(token.owner, "removeBlackList", A)
    assert token.call(A, "transfer", B, 1).result is Result.SUCCESS


def test_destroyed_funds_leave_no_transfer_log(token: Token) -> None:
    supply = token.read("totalSupply")
    token.call(token.owner, "addBlackList", A)

    outcome = token.call(token.owner, "destroyBlackFunds", A)

    assert (len(outcome.logs), moves(outcome)) == (1, [])
    assert (token.read("balanceOf", A), token.read("totalSupply")) == (0, supply - 1000)


def test_paused_token_moves_nothing_t55(token: Token) -> None:
    token.call(token.owner, "pause")

    assert token.read("paused") == 1
    assert token.call(A, "transfer", B, 1).result is Result.REVERT
    assert token.call(A, "approve", B, 1).result is Result.REVERT
    token.call(token.owner, "unpause")
    assert token.call(A, "transfer", B, 1).result is Result.SUCCESS


def test_fee_makes_two_logs_t10(token: Token) -> None:
    token.call(token.owner, "setParams", 19, 49)
    token.call(token.owner, "transfer", B, 2_000_000)
    owner_before = token.read("balanceOf", token.owner)

    outcome = token.call(B, "transfer", C, 1_000_000)

    assert moves(outcome) == [(B, C, 998_100), (B, token.owner, 1_900)]
    assert token.read("balanceOf", token.owner) == owner_before + 1_900
    assert token.call(token.owner, "setParams", 20, 1).result is Result.REVERT


def test_issue_and_redeem_log_the_zero_address_t15(token: Token) -> None:
    supply = token.read("totalSupply")

    assert moves(token.call(token.owner, "issue", 5)) == [(ZERO_ADDRESS, token.owner, 5)]
    assert moves(token.call(token.owner, "redeem", 3)) == [(token.owner, ZERO_ADDRESS, 3)]
    assert token.read("totalSupply") == supply + 2


@pytest.mark.parametrize("name", ["issue", "redeem", "pause", "unpause", "setParams", "addBlackList",
                                  "removeBlackList", "destroyBlackFunds"])  # fmt: skip
def test_strangers_may_not_administer(token: Token, name: str) -> None:
    assert token.call(A, name, 1, 1).result is Result.REVERT


def test_unknown_function_and_attached_trx_revert(token: Token, chain: Chain) -> None:
    contract = chain.machine.contracts[chain.places.usdt]
    unknown = contracts.call(contract, state=token._state, caller=A, data=b"", value_sun=0)

    assert unknown.result is Result.REVERT
    assert token.call(A, "transfer", B, 1, value_sun=1).result is Result.REVERT


def test_every_function_has_code_and_the_constants_of_the_real_token(token: Token) -> None:
    assert token.read("decimals") == 6
    assert token.call(A, "name").output == abi.text("Tether USD")
    assert token.call(A, "symbol").output == abi.text("USDT")
    assert abi.selector(ENTRIES["transfer"]).hex() == "a9059cbb"
    assert token.read("deprecated") == token.read("calcFee", 10**9) == 0
    assert token.read("owner") == int.from_bytes(token.owner[1:])

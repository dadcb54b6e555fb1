"""What the USDT contract says about an account, read from the solid state; an empty answer is never a zero."""

from __future__ import annotations

from core.chain.addresses import TronAddress
from core.chain.failures import FailureKind, NodeFailure
from core.chain.node import Node
from core.db import INT64_MAX
from core.money import Usdt

WORD = 32


def balance_of(node: Node, contract: TronAddress, holder: TronAddress) -> Usdt:
    """Read an account's balance. Raises NodeUnavailable."""
    units = _word(node, contract, "balanceOf(address)", holder)
    if units > INT64_MAX:
        raise NodeFailure(FailureKind.WRONG_SHAPE, detail="balanceOf")
    return Usdt(units)


def is_blacklisted(node: Node, contract: TronAddress, holder: TronAddress) -> bool:
    """Tell whether the contract lets an account send nothing. Raises NodeUnavailable."""
    return _word(node, contract, "isBlackListed(address)", holder) != 0


def is_deprecated(node: Node, contract: TronAddress) -> bool:
    """Tell whether the contract forwards to another one, which would log the transfers. Raises NodeUnavailable."""
    return _word(node, contract, "deprecated()") != 0


def _word(node: Node, contract: TronAddress, function: str, *about: TronAddress) -> int:
    result = node.call_contract(contract, function, *(bytes(WORD - 20) + address.raw20 for address in about))
    if len(result) != WORD:
        raise NodeFailure(FailureKind.WRONG_SHAPE, detail=function)
    return int.from_bytes(result)

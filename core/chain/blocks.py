"""Read one solid block from one provider and prove it: nothing is taken for empty, final or complete on trust.

An empty answer counts only with a header that proves the block empty; what a block credits counts only with its
header too. It refuses to decide whose money it is: that is the scanner's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from core.chain.decode import (
    BlockHeader, BlockInconsistent, TransactionInfo, TransferLog, accounts_in, check_block_infos, transfers_in,
)
from core.chain.node import Node
from core.chain.notices import ContractNotice, notices_in
from core.clock import from_millis, to_millis
from core.errors import NodeUnavailable


@dataclass(frozen=True)
class Block:
    """A solid block as read: what is in it, what the contract announced, and who showed it.

    accounts: 20 bytes each; every one that a Transfer in it may name.
    block_id: known once a header vouches for the block, as one does for every empty block.
    """

    height: int
    block_time: datetime
    infos: Sequence[TransactionInfo]
    accounts: frozenset[bytes]
    notices: Sequence[ContractNotice]
    provider: str
    block_id: str | None = None

    @cached_property
    def logs(self) -> Sequence[TransferLog]:
        """Every Transfer-shaped log; read only when asked for, since most blocks concern nobody here."""
        return transfers_in(self.infos)

    @property
    def has_header(self) -> bool:
        """Tell whether a header vouches for this block."""
        return self.block_id is not None


def read_block(node: Node, height: int, *, usdt20: bytes) -> Block | None:
    """Read a solid block; None where this provider does not have it yet.

    Raises NodeUnavailable where it cannot be read, BlockInconsistent where its parts contradict each other.
    """
    infos = node.solid_infos(height)
    check_block_infos(infos, height, 0)
    if not infos:
        return _read_empty(node, height)
    return Block(
        height=height,
        block_time=from_millis(infos[0].block_time_ms),
        infos=infos,
        accounts=accounts_in(infos),
        notices=notices_in(infos, usdt20),
        provider=node.name,
    )


def vouch(node: Node, block: Block) -> Block:
    """Have the provider that showed a block vouch for it: by its header, and by having come that far itself."""
    if block.has_header:
        return block
    header = _header(node, block.height)
    if header.time_ms != to_millis(block.block_time):
        raise BlockInconsistent(f"Header and transactions of block {block.height} carry different block times.")
    if header.proves_empty:
        raise BlockInconsistent(f"The header of block {block.height} denies the transactions that were shown.")
    if node.solid_height() < block.height:
        raise BlockInconsistent(f"Block {block.height} was shown as final before the TRON node has come that far.")
    return replace(block, block_id=header.block_id)


def check_order(block: Block, *, height: int, after: datetime) -> None:
    """Require that a block follows the one before it: the next height, a later block time."""
    if block.height != height:
        raise BlockInconsistent(f"Block {block.height} does not follow block {height - 1}.")
    if block.block_time <= after:
        raise BlockInconsistent(f"Block {block.height} is not later than the block before it.")


def agree(block: Block, other: Block) -> bool:
    """Tell whether another provider shows the very same Transfer logs at the same block time."""
    return block.block_time == other.block_time and block.logs == other.logs


def _read_empty(node: Node, height: int) -> Block | None:
    header = node.solid_header(height)
    if header is None:
        return None
    if not header.proves_empty:
        raise BlockInconsistent(f"Block {height} has transactions that the TRON node does not show yet.")
    return Block(height, from_millis(header.time_ms), (), frozenset(), (), node.name, header.block_id)


def _header(node: Node, height: int) -> BlockHeader:
    header = node.solid_header(height)
    if header is None:
        raise NodeUnavailable(f"The TRON node does not show solid block {height} any more.")
    return header

"""What the USDT contract announces about itself and its holders: pure, read from the logs of a block."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from core.chain.decode import Log, TransactionInfo, contract20_of

_HEX64 = re.compile(r"[0-9a-fA-F]{64}")


class NoticeKind(StrEnum):
    """What the USDT contract can announce that concerns whoever holds its tokens."""

    BLACKLISTED = "blacklisted"
    UNLISTED = "unlisted"
    DESTROYED = "destroyed"
    DEPRECATED = "deprecated"
    PAUSED = "paused"
    UNPAUSED = "unpaused"


# keccak256 of the events of TetherToken's verified source: AddedBlackList(address), RemovedBlackList(address),
# DestroyedBlackFunds(address,uint256), Deprecate(address), Pause(), Unpause().
NOTICE_TOPICS = {
    "42e160154868087d6bfdc0ca23d96a1c1cfa32f1b72ba9ba27b69b98a0d819dc": NoticeKind.BLACKLISTED,
    "d7e9ec6e6ecd65492dce6bf513cd6867560d49544421d0783ddf06e76c24470c": NoticeKind.UNLISTED,
    "61e6e66b0d6339b2980aecc6ccc0039736791f0ccde9ed512e789a7fbdd698c6": NoticeKind.DESTROYED,
    "cc358699805e9a8b7f77b522628c7cb9abd07d9efb86b6fb616af1609036a99e": NoticeKind.DEPRECATED,
    "6985a02210a168e66602d3235cb6db0e70f92b3ba4d376a33c0f3d9434bff625": NoticeKind.PAUSED,
    "7805862f689e2f13df9f062ff482ad3ad112aca9e0847911ed832e158c525b33": NoticeKind.UNPAUSED,
}


class ContractNotice(Struct, frozen=True, gc=False):
    """One announcement of the USDT contract; `about20` is the address it names, if it names one."""

    kind: NoticeKind
    txid: str
    about20: bytes | None


def notices_in(infos: Sequence[TransactionInfo], usdt20: bytes) -> list[ContractNotice]:
    """List what the USDT contract itself announced in successful transactions of a block."""
    names = {log.topics[0] for info in infos for log in info.log if log.topics}
    if NOTICE_TOPICS.keys().isdisjoint(map(str.lower, names)):
        return []
    return [
        ContractNotice(NOTICE_TOPICS[log.topics[0].lower()], info.id.lower(), _about(log))
        for info in infos
        for log in info.log
        if log.topics and log.topics[0].lower() in NOTICE_TOPICS
        if info.has_succeeded and contract20_of(info, log) == usdt20
    ]


def _about(log: Log) -> bytes | None:
    """Read the address in an event's first word, which TetherToken does not index; None where there is none."""
    word = log.topics[1] if len(log.topics) > 1 else log.data[:64]
    return bytes.fromhex(word[24:]) if _HEX64.fullmatch(word) else None

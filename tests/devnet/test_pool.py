"""What a node refuses to take, and with which code."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from core.devnet import keys, wire
from core.devnet.execution import Code, Rejected
from core.devnet.ledger import Chain
from core.devnet.pool import Entry
from core.devnet.rules import Rules
from core.devnet.wire import Terms
from tests.devnet.conftest import BUYER

STRANGER_KEY = bytes(31) + b"\x07"
TO = keys.from_base58(BUYER)


@dataclass(frozen=True)
class Draft:
    """A TRX transfer about to be signed."""

    key: bytes
    terms: Terms
    amount_sun: int = 1_000_000
    to: bytes = TO

    def signed(self, *, by: bytes | None = None) -> wire.Transaction:
        """Build and sign it."""
        owner = keys.address_of(self.key)
        raw = wire.build_transfer(owner=owner, to=self.to, amount_sun=self.amount_sun, terms=self.terms)
        return wire.read(raw, (keys.sign(private_key=by or self.key, digest=wire.txid_of(raw)),))


@pytest.fixture
def draft(chain: Chain) -> Draft:
    """Give a draft that the node would take."""
    head = chain.head
    return Draft(chain.ring.wallet, Terms(head.block_id, head.timestamp_ms + 60_000, head.timestamp_ms))


def code_of(chain: Chain, tx: wire.Transaction) -> Code:
    """Broadcast what must be refused and return the code."""
    with pytest.raises(Rejected) as caught:
        chain.broadcast(tx)
    return caught.value.code


def test_known_transactions_are_duplicates_pending_and_mined_d4(chain: Chain, draft: Draft) -> None:
    tx = draft.signed()
    chain.broadcast(tx)

    pending = code_of(chain, tx)
    chain.mine()
    mined = code_of(chain, tx)

    assert (pending, mined) == (Code.DUP_TRANSACTION_ERROR, Code.DUP_TRANSACTION_ERROR)


def test_somebody_elses_signature_is_refused_d3(chain: Chain, draft: Draft) -> None:
    assert code_of(chain, draft.signed(by=STRANGER_KEY)) is Code.SIGERROR


@pytest.mark.parametrize("signatures", [(), (bytes(65),), (b"short",), (bytes(65), bytes(65))])
def test_missing_broken_and_surplus_signatures_are_refused_d3(
    chain: Chain, draft: Draft, signatures: tuple[bytes, ...]
) -> None:
    assert code_of(chain, replace(draft.signed(), signatures=signatures)) is Code.SIGERROR


def test_unknown_permission_is_refused_d3(chain: Chain, draft: Draft) -> None:
    assert code_of(chain, replace(draft, terms=replace(draft.terms, permission_id=3)).signed()) is Code.SIGERROR


def test_active_permission_is_the_owners_key(chain: Chain, draft: Draft) -> None:
    chain.broadcast(replace(draft, terms=replace(draft.terms, permission_id=2)).signed())

    assert chain.pending_count == 1


@pytest.mark.parametrize("ref_block_id", [bytes(32), bytes(6) + b"\x00\x01" + bytes(24), bytes(6) + b"\xff" * 26])
def test_reference_to_no_block_of_this_chain_is_refused_d4(chain: Chain, draft: Draft, ref_block_id: bytes) -> None:
    tx = replace(draft, terms=replace(draft.terms, ref_block_id=ref_block_id)).signed()

    assert code_of(chain, tx) is Code.TAPOS_ERROR


def test_reference_ages_out_after_65536_blocks_d4(chain: Chain, draft: Draft) -> None:
    far = replace(chain.head, height=chain.head_height + 65_536)  # its two last bytes now mean a newer block

    with pytest.raises(Rejected) as caught:
        chain._pool.admit(draft.signed(), entry=Entry(far, 0))

    assert caught.value.code is Code.TAPOS_ERROR


@pytest.mark.parametrize(
    ("after_head_ms", "is_taken"),
    [(-1, False), (0, False), (1, False), (2_999, False), (3_000, True), (86_400_000, True), (86_400_001, False)],
)
def test_expiration_lies_between_the_next_slot_and_a_day_spec_7(
    chain: Chain, draft: Draft, after_head_ms: int, is_taken: bool
) -> None:
    terms = replace(draft.terms, expiration_ms=chain.head.timestamp_ms + after_head_ms)
    tx = replace(draft, terms=terms).signed()

    if is_taken:
        chain.broadcast(tx)
    else:
        assert code_of(chain, tx) is Code.TRANSACTION_EXPIRATION_ERROR


def test_unknown_owner_is_refused(chain: Chain, draft: Draft) -> None:
    assert code_of(chain, replace(draft, key=STRANGER_KEY).signed()) is Code.CONTRACT_VALIDATE_ERROR


def test_spending_more_than_the_balance_is_refused(chain: Chain, draft: Draft) -> None:
    assert code_of(chain, replace(draft, amount_sun=2**62).signed()) is Code.CONTRACT_VALIDATE_ERROR


@pytest.mark.parametrize("amount_sun", [0, -1])
def test_trx_amount_must_be_positive(chain: Chain, draft: Draft, amount_sun: int) -> None:
    assert code_of(chain, replace(draft, amount_sun=amount_sun).signed()) is Code.CONTRACT_VALIDATE_ERROR


def test_trx_to_oneself_or_a_contract_is_refused(chain: Chain, draft: Draft) -> None:
    for to in (keys.address_of(draft.key), chain.places.usdt, b"", bytes(21)):
        assert code_of(chain, replace(draft, to=to).signed()) is Code.CONTRACT_VALIDATE_ERROR


def test_call_of_no_contract_is_refused(chain: Chain, draft: Draft) -> None:
    raw = wire.build_trigger(owner=keys.address_of(draft.key), contract=TO, data=b"", terms=draft.terms)
    tx = wire.read(raw, (keys.sign(private_key=draft.key, digest=wire.txid_of(raw)),))

    assert code_of(chain, tx) is Code.CONTRACT_VALIDATE_ERROR


def test_account_without_trx_for_bandwidth_is_refused(chain: Chain, draft: Draft) -> None:
    to = keys.to_base58(keys.address_of(STRANGER_KEY))
    chain.faucet_trx(to, 1)
    chain.advance(1)
    poor = replace(draft, key=STRANGER_KEY, amount_sun=1)

    assert code_of(chain, poor.signed()) is Code.BANDWITH_ERROR


def test_pending_effects_count(chain: Chain, draft: Draft) -> None:
    to = keys.to_base58(keys.address_of(STRANGER_KEY))
    chain.faucet_trx(to, 10_000_000)
    chain.advance(1)
    first = replace(draft, key=STRANGER_KEY, amount_sun=8_000_000)
    second = replace(first, amount_sun=7_000_000)

    chain.broadcast(first.signed())

    assert code_of(chain, second.signed()) is Code.CONTRACT_VALIDATE_ERROR


def test_huge_transaction_is_refused(chain: Chain, draft: Draft) -> None:
    tx = replace(draft, terms=replace(draft.terms, memo=bytes(500 * 1024))).signed()

    assert code_of(chain, tx) is Code.TOO_BIG_TRANSACTION_ERROR


def test_full_pool_is_busy_and_full_blocks_leave_the_rest(chain: Chain) -> None:
    rules = Rules(max_pending=3, max_block_transactions=2)
    small = Chain.open(None, clock=chain.clock, rules=rules)
    sent = [small.pay(BUYER, units) for units in (1, 2, 3)]

    with pytest.raises(Rejected, match="SERVER_BUSY"):
        small.pay(BUYER, 4)
    small.advance(2)

    records = [record for height in (1, 2) for record in small.view(solid=False).transactions(height)]
    assert [record.txid.hex() for record in records] == sent
    small.close()


def test_transaction_that_expired_while_pending_is_dropped_spec_7(chain: Chain, draft: Draft) -> None:
    tx = replace(draft, terms=replace(draft.terms, expiration_ms=chain.head.timestamp_ms + 3_000)).signed()
    slow = Chain.open(None, clock=chain.clock, rules=Rules(max_block_transactions=1))
    head = slow.head
    terms = replace(draft.terms, ref_block_id=head.block_id, expiration_ms=head.timestamp_ms + 3_000)
    late = replace(draft, key=slow.ring.wallet, terms=terms).signed()
    slow.pay(BUYER, 1)
    slow.broadcast(late)

    slow.advance(3)

    assert tx.txid != late.txid
    assert slow.view(solid=False).transaction(late.txid) is None
    assert slow.pending_count == 0
    slow.close()

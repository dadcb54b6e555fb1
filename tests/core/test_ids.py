"""Ids are unbiased, of the promised form and strength, and payment ids are a true permutation (K8, A15)."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import NARROW_LIMIT, WIDE_LIMIT, IdPermutation, Ids, Mode, random_bytes

KEY = bytes(range(32))
ids = Ids()


@pytest.mark.parametrize(
    ("make", "form"),
    [
        pytest.param(ids.event_id, r"evt_[0-9A-Za-z]{26}", id="event"),
        pytest.param(ids.page_token, r"[0-9A-Za-z_-]{22}", id="A15-page-token"),
        pytest.param(partial(ids.public_key, Mode.TEST), r"pk_test_[0-9A-Za-z]{24}", id="public-test"),
        pytest.param(partial(ids.public_key, Mode.LIVE), r"pk_live_[0-9A-Za-z]{24}", id="public-live"),
        pytest.param(partial(ids.secret_key, Mode.TEST), r"sk_test_[0-9A-Za-z]{40}", id="secret-test"),
        pytest.param(partial(ids.secret_key, Mode.LIVE), r"sk_live_[0-9A-Za-z]{40}", id="secret-live"),
        pytest.param(ids.lease_token, r"[0-9a-f]{32}", id="lease"),
        pytest.param(ids.test_txid, r"test_[0-9a-f]{32}", id="test-txid"),
    ],
)
def test_every_id_has_its_form(make: Callable[[], str], form: str) -> None:
    assert re.fullmatch(form, make())


def test_webhook_secret_is_32_bytes_in_base64() -> None:
    prefix, _, encoded = Ids().webhook_secret().partition("_")

    assert (prefix, len(base64.b64decode(encoded, validate=True))) == ("whsec", 32)


def test_no_id_comes_twice() -> None:
    assert len({Ids().event_id() for _ in range(2000)}) == 2000
    assert len(random_bytes(16)) == 16


def test_a_mode_is_never_made_up() -> None:
    with pytest.raises(ValueError, match="prod"):
        Ids().secret_key("prod")  # type: ignore[arg-type]


def test_an_injected_source_makes_ids_repeatable() -> None:
    assert Ids(bytes).event_id() == Ids(bytes).event_id() == "evt_" + "0" * 26


def repeat(byte: int, n: int) -> bytes:
    return bytes([byte]) * n


def test_characters_are_drawn_without_bias() -> None:
    """62 characters do not divide 256 bytes: 248 bytes give each character four times, the other eight give none."""
    last_characters = Counter(Ids(partial(repeat, byte)).event_id()[-1] for byte in range(248))
    surplus_then_zeros = iter([bytes(range(230, 256)), bytes(26)])

    drawn = Ids(lambda n: next(surplus_then_zeros)).event_id()

    assert set(last_characters.values()) == {4} and len(last_characters) == 62
    assert drawn.endswith("0" * 8)


@given(st.integers(1, 10**12))
def test_below_stays_below(bound: int) -> None:
    assert 0 <= Ids().below(bound) < bound


def test_below_draws_each_value_equally_often() -> None:
    every_byte = cycle(range(256))
    source = Ids(lambda n: bytes(next(every_byte) for _ in range(n)))

    assert set(Counter(source.below(5) for _ in range(5 * 32)).values()) == {32}


@pytest.mark.parametrize("bound", [0, -1])
def test_below_needs_a_positive_bound(bound: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Ids().below(bound)


@given(st.integers(1, NARROW_LIMIT - 1), st.binary(min_size=16, max_size=64))
def test_k8_permutation_is_undone_by_restore(counter: int, key: bytes) -> None:
    permutation = IdPermutation(key)

    public = permutation.permute(counter)

    assert 1 <= public < NARROW_LIMIT
    assert permutation.restore(public) == counter


@given(st.integers(1, WIDE_LIMIT - 1))
def test_k8_wide_permutation_is_undone_by_restore(counter: int) -> None:
    permutation = IdPermutation(KEY, wide=True)

    assert permutation.restore(permutation.permute(counter)) == counter


@pytest.mark.parametrize("limit", [2, 3, 4, 5, 17, 64, 1000, 1025])
def test_k8_every_public_id_of_a_small_range_comes_exactly_once(limit: int) -> None:
    permutation = IdPermutation(KEY, limit=limit)

    assert sorted(permutation.permute(counter) for counter in range(1, limit)) == list(range(1, limit))


def test_k8_public_ids_do_not_show_the_order_of_counters() -> None:
    permutation = IdPermutation(KEY)
    steps = [permutation.permute(n + 1) - permutation.permute(n) for n in range(1, 400)]

    assert len(set(steps)) == len(steps)
    assert 120 < sum(step > 0 for step in steps) < 280


def test_k8_another_key_is_another_permutation() -> None:
    assert IdPermutation(KEY).permute(1) != IdPermutation(KEY[::-1]).permute(1)


def test_k8_the_permutation_never_changes_between_versions() -> None:
    """A changed permutation would give ids out twice: these two were made by the first version."""
    assert (IdPermutation(KEY).permute(1), IdPermutation(KEY, wide=True).permute(1)) == (1277293209, 3840985805687281)


@pytest.mark.parametrize("outside", [0, -1, NARROW_LIMIT, 10**20])
def test_k8_numbers_outside_the_range_are_refused(outside: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        IdPermutation(KEY).permute(outside)
    with pytest.raises(ValueError, match="outside"):
        IdPermutation(KEY).restore(outside)


def test_k8_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        IdPermutation(b"short")

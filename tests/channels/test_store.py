"""An adapter's memory: texts by key, compare-and-set, secrets sealed."""

from __future__ import annotations

import pytest

from core.channels.store import ChannelStore
from core.hub import Hub
from core.models import ChannelValue
from tests.channels.kit import Bench, add_channel, make_bench, on_both


@pytest.fixture
def bench(hub: Hub) -> Bench:
    return make_bench(hub)


@on_both
def test_values_are_kept_per_channel(bench: Bench) -> None:
    mine = ChannelStore(bench.hub, bench.channel)
    other = ChannelStore(bench.hub, add_channel(bench.hub, bench.shop, adapter="all"))

    mine.put("token", "one")
    mine.put("token", "two")

    assert (mine.get("token"), mine.get("none"), other.get("token")) == ("two", None, None)


@on_both
def test_a_swap_happens_only_from_what_is_expected(bench: Bench) -> None:
    store = ChannelStore(bench.hub, bench.channel)

    assert store.swap("seen", None, "3") and not store.swap("seen", None, "4")
    assert store.swap("seen", "3", "5") and not store.swap("seen", "3", "6")
    assert store.get("seen") == "5"
    assert store.swap("seen", "5", None) and store.get("seen") is None
    assert store.swap("seen", None, None)


def test_a_secret_is_sealed_and_stays_so(bench: Bench) -> None:
    store = ChannelStore(bench.hub, bench.channel)
    store.put("token", "hush-1", secret=True)
    store.swap("token", "hush-1", "hush-2")

    [row] = bench.rows(ChannelValue)
    assert row.clear is None and b"hush" not in row.sealed
    assert store.get("token") == "hush-2"


@pytest.mark.parametrize(("key", "value"), [("", "v"), ("k" * 101, "v"), ("k", "v" * 8193)])
def test_what_is_too_long_is_refused(bench: Bench, key: str, value: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        ChannelStore(bench.hub, bench.channel).put(key, value)

"""Strangers' code is waited for only so long, and who does not come back is asked no more."""

from __future__ import annotations

from threading import Event

import pytest

from core.patience import Overrun, Patience, Resting


def test_what_comes_in_time_is_handed_on() -> None:
    patience = Patience()

    assert patience.wait(lambda: 7, within_s=5, limits={"one": 1}) == 7
    with pytest.raises(KeyError):
        patience.wait(lambda: {}["gone"], within_s=5, limits={"one": 1})
    assert patience.all_missing() == {}


def test_who_does_not_come_back_is_asked_no_more_until_it_does() -> None:
    patience, gate, gone = Patience(), Event(), Event()

    def hang() -> None:
        gate.wait(30)
        gone.set()

    with pytest.raises(Overrun):
        patience.wait(hang, within_s=0.01, limits={"one": 1, "all": 2})
    with pytest.raises(Resting) as resting:
        patience.wait(lambda: 7, within_s=5, limits={"one": 1, "all": 2})
    other = patience.wait(lambda: 8, within_s=5, limits={"two": 1, "all": 2})
    gate.set()
    assert gone.wait(5)

    assert (resting.value.name, other) == ("one", 8)
    for _ in range(1000):
        if not patience.all_missing():
            break
        gone.wait(0.01)
    assert patience.wait(lambda: 9, within_s=5, limits={"one": 1}) == 9

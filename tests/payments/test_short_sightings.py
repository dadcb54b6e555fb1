"""The head hints at tolerated shortfalls too: a buyer whose exchange kept a little sees "detected" at once."""

from __future__ import annotations

import pytest

from core.chain.lookahead import Lookahead
from core.payments import matching
from tests.payments.conftest import Till

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def look(till: Till, to: str, units: int) -> None:
    till.chain.mine(till.chain.transfer(to, units), solid=False)
    Lookahead(till.hub, till.chain.fleet(till.hub.clock)).look_once()


@pytest.mark.parametrize(("off", "status"), [(0, "confirming"), (-200_000, "confirming"), (-300_001, "pending")])
def test_a_shortfall_within_the_tolerance_is_detected_at_the_head(till: Till, off: int, status: str) -> None:
    till.set_policy(tolerance="0.3", addressing="shared")
    payment = till.order()

    look(till, payment.address, payment.pay_units.units + off)

    assert till.standing(payment) == (status, "none")
    till.chain.solid = till.chain.head
    till.scanner.scan_once()
    assert till.standing(payment)[0] == ("paid" if status == "confirming" else "pending")


def test_what_two_may_mean_is_detected_for_neither(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    till.set_policy(tolerance="0.3", addressing="shared")
    first = till.order("A", "50.00")
    monkeypatch.setattr(matching, "_has_rival", lambda *_, **__: True)

    look(till, first.address, first.pay_units.units - 1)

    assert till.standing(first) == ("pending", "none")

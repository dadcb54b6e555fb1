"""Public payment ids: their key outlives roll-backs and restarts."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from core.errors import NoReceivingAddress
from core.hub import Hub
from core.models import HubSecret
from core.payments.numbers import permutation
from core.testing.factories import make_payment, make_shop
from core.testing.hubs import make_hub


def test_a_key_that_was_rolled_back_is_not_used_again(hub: Hub):
    with pytest.raises(NoReceivingAddress):
        make_payment(hub, make_shop(hub, with_address=False))
    shop = make_shop(hub, website="https://other.example.net")

    payments = [make_payment(hub, shop, order_id=f"O{n}") for n in range(3)]

    restarted = make_hub(hub.database)
    with restarted.database.transaction() as session:
        again = permutation(session, restarted)
        assert session.scalar(select(func.count()).select_from(HubSecret)) == 1
    assert [again.restore(payment.payment_id) for payment in payments] == [payment.id for payment in payments]

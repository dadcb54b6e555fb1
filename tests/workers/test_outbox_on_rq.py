"""J2: a slice of the outbox's own tests, word for word, through RQ and Redis; `make test-redis` runs them all so."""

from __future__ import annotations

import pytest

from tests.outbox import kit
from tests.outbox.conftest import rq_sender  # noqa: F401
from tests.outbox.test_delivery import (  # noqa: F401
    shop, test_an_unreachable_receiver_is_recorded_with_its_reason,
    test_j7_a_claim_lost_in_a_crash_is_found_again_after_its_lease_without_using_up_a_retry,
    test_j15_a_lease_from_a_clock_that_was_set_back_does_not_block, test_w3_only_2xx_is_success,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def sender(rq_sender: kit.Sender, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Send through RQ whatever the command line says."""
    monkeypatch.setattr(kit, "SENDER", rq_sender)

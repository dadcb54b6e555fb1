"""The walk of a refund, and what it keeps apart, seen on SQLite and PostgreSQL."""

from __future__ import annotations

from tests.payments.test_paid_refunds import (  # noqa: F401
    test_a_paid_order_goes_back_in_parts_that_never_exceed_what_came, test_the_database_itself_refuses_a_unit_too_many,
)
from tests.payments.test_refunds import (  # noqa: F401  asked here without that file's mark
    test_a_late_transfer_is_sent_back_and_proven, test_a_part_that_is_promised_back_no_longer_pays,
    test_a_link_is_used_once_and_ends, test_one_transfer_proves_one_refund,
)

"""What payers say about their transfers, and how often a form without a signature may be sent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import INT, Base, Int64, Moment, Word
from core.models.projects import STRICT

FINDINGS = (
    "asked", "not_found", "not_final", "not_counted", "counted", "unclear", "amount_differs", "counted_elsewhere",
    "decided", "older", "other_address", "other_token", "failed", "missing", "given_up",
)
OPEN = "look_at IS NOT NULL"


class Lead(Base):
    """A transaction that a payer says has paid a payment; it is checked, and moves no money by itself.

    finding: what is known of it, see `core.payments.leads.Finding`.   transfer_id: the transfer of ours that it names.
    look_at: when the watcher looks for it next, wall time; None once it is answered.   looks: how often it has.
    """

    __tablename__ = "lead"
    __table_args__ = (
        CheckConstraint(f"finding IN {FINDINGS!r}", name="finding"),
        CheckConstraint("length(txid) = 64", name="txid"),
        Index("uq_lead_payment_id_txid", "payment_id", "txid", unique=True),
        Index("ix_lead_transfer_id", "transfer_id"),
        Index("ix_lead_look_at", "look_at", sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    payment_id: Mapped[int] = mapped_column(INT, ForeignKey("payment.id"))
    txid: Mapped[str] = mapped_column(Word)
    finding: Mapped[str] = mapped_column(Word)
    transfer_id: Mapped[int | None] = mapped_column(INT, ForeignKey("transfer.id"))
    looks: Mapped[int] = mapped_column(Int64, default=0)
    look_at: Mapped[datetime | None] = mapped_column(Moment)
    asked_at: Mapped[datetime] = mapped_column(Moment)
    found_at: Mapped[datetime] = mapped_column(Moment)


class FormBucket(Base):
    """How much of its allowance a visitor, or a payment's page, has used: when its bucket would be full again, in ms.

    subject: `visitor:<address>` or `payment:<id>`.
    """

    __tablename__ = "form_bucket"
    __table_args__ = (Index("ix_form_bucket_full_at_ms", "full_at_ms"), STRICT)

    subject: Mapped[str] = mapped_column(Word, primary_key=True)
    full_at_ms: Mapped[int] = mapped_column(Int64)

"""What people did about money that fits no payment: append only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import INT, Base, Flag, Moment, Word
from core.models.projects import STRICT

CLOSES = "closes = 1"


class InboxAct(Base):
    """One act on one transfer of the inbox, by whom and why; at most one act closes a transfer.

    payment_id: the payment it concerned.   refund_txid: the transaction by which the merchant sent the money back.
    """

    __tablename__ = "inbox_act"
    __table_args__ = (
        CheckConstraint("act IN ('accepted', 'attached', 'refunded', 'ignored')", name="act"),
        CheckConstraint("actor <> ''", name="actor"),
        Index("ix_inbox_act_transfer_id", "transfer_id"),
        Index(
            "uq_inbox_act_closing",
            "transfer_id",
            unique=True,
            sqlite_where=text(CLOSES),
            postgresql_where=text(CLOSES),
        ),
        STRICT,
    )

    id: Mapped[int] = mapped_column(INT, primary_key=True)
    transfer_id: Mapped[int] = mapped_column(INT, ForeignKey("transfer.id"))
    act: Mapped[str] = mapped_column(Word)
    actor: Mapped[str] = mapped_column(Word)
    note: Mapped[str] = mapped_column(Word, default="")
    closes: Mapped[bool] = mapped_column(Flag)
    payment_id: Mapped[int | None] = mapped_column(INT, ForeignKey("payment.id"))
    refund_txid: Mapped[str | None] = mapped_column(Word)
    created_at: Mapped[datetime] = mapped_column(Moment)

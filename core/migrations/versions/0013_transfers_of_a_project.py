"""A transfer names its payment's project, so that a project's transfers are listed at a cost that does not grow."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0010"

OF_PAYMENT = """
UPDATE transfer SET project_id = (SELECT payment.project_id FROM payment WHERE payment.id = transfer.payment_id)
WHERE payment_id IS NOT NULL
"""


def upgrade() -> None:
    """Add the column, fill it, index it."""
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE transfer ADD COLUMN project_id {kind} "
        "CONSTRAINT fk_transfer_project_id REFERENCES project(id)"
    )
    op.execute(OF_PAYMENT)
    op.create_index("ix_transfer_project_id", "transfer", ["project_id", "id"])

"""A test clock for each project: test payments then live by a time that is moved by hand."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0004"


def upgrade() -> None:
    """Add a column; no project has a test clock yet."""
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(f"ALTER TABLE project ADD COLUMN test_now {kind}")

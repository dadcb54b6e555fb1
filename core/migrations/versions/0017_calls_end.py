"""Find platforms' calls that ended long ago, so that they can be forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0012"


def upgrade() -> None:
    """Index the calls that ended, by when."""
    ended = sa.text("state <> 'due'")
    op.create_index("ix_channel_call_done_at", "channel_call", ["done_at"], sqlite_where=ended, postgresql_where=ended)

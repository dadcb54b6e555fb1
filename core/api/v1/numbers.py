"""Numbers that stand in a path."""

from __future__ import annotations

import re

ROW_ID = re.compile(r"[1-9][0-9]{0,17}")  # inside 64 bits


def row_id(text: str) -> int | None:
    """Read a row's number from a path; None for what cannot be one."""
    return int(text) if ROW_ID.fullmatch(text) else None

"""Rows made from columns at hand."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from core.db import detached
from core.models import Credential
print(detached(Credential, {"id": 7, "project_id": 7}).project_id)
"""


def test_a_process_may_begin_with_a_row_made_from_its_columns():
    """A web process that was asked for nothing before refused every payment."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("7\n", "")

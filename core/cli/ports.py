"""Whether a port is free to listen on."""

from __future__ import annotations

import socket
from threading import Event

from core.clock import SystemClock
from core.errors import MisconfiguredHub

LOOK_EVERY_S = 0.1


def require_free_port(host: str, port: int, *, patience_s: float = 0.0) -> None:
    """Check that a port can be listened on; raises MisconfiguredHub.

    patience_s: how long a process that is just ending may still hold it.
    """
    clock = SystemClock()
    deadline_s = clock.monotonic() + patience_s
    while not is_free(host, port):
        if clock.monotonic() >= deadline_s:
            raise MisconfiguredHub(f"Port {port} of {host} is in use by another program: choose another with --port.")
        Event().wait(LOOK_EVERY_S)


def is_free(host: str, port: int) -> bool:
    """Tell whether a port can be listened on now; one whose last connections are still fading out can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True

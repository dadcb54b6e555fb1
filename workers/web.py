"""The web server: gunicorn with our settings, strict as it comes, quiet about URLs because they carry tokens."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from sqlalchemy.engine import make_url

from core.app import create_app, share_figures
from core.cli.logs import logging_config, secrets_in
from core.settings import Settings
from core.web import the_hub_of
from workers.supervisor import die_with

THREADS = 8  # of a worker on PostgreSQL; SQLite has one writer anyway, and plain sync workers are the strictest
REQUEST_LIMIT_S = 30  # twice the longest wait for SQLite's write lock
FINISH_WITHIN_S = 5  # a request under way when told to stop


class QuietLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without its access log, which it writes as soon as logging is configured at all."""

    def access(self, *_: object) -> None:
        """Write nothing: the URLs of payment pages carry their tokens."""


class WebServer(BaseApplication):  # type: ignore[misc]
    """Serves the hub's app until told to stop."""

    def __init__(self, settings: Settings, *, host: str, port: int, workers: int) -> None:
        self._settings = settings
        self._options = web_options(settings, host=host, port=port, workers=workers)
        super().__init__(prog="paywharf web")

    def load_config(self) -> None:
        """Hand our options to gunicorn; neither its command line nor its environment variable is read."""
        for name, chosen in self._options.items():
            self.cfg.set(name, chosen)

    def load(self) -> Any:
        """Build the app, in each worker for itself: no connection is shared across a fork."""
        app = create_app(self._settings)
        share_figures(the_hub_of(app))
        return app


def web_options(settings: Settings, *, host: str, port: int, workers: int) -> dict[str, Any]:
    """Choose gunicorn's options for these settings."""
    is_sqlite = make_url(settings.database_url).get_backend_name() == "sqlite"
    return {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": workers,
        "worker_class": "sync" if is_sqlite else "gthread",
        "threads": 1 if is_sqlite else THREADS,
        "timeout": REQUEST_LIMIT_S,
        "graceful_timeout": FINISH_WITHIN_S,
        "forwarded_allow_ips": "",  # whom to believe is PAYWHARF_TRUSTED_PROXIES' business alone
        "forwarder_headers": "",  # no header of a request becomes SCRIPT_NAME or PATH_INFO
        "control_socket_disable": True,  # one more way in that nobody asked for
        "logger_class": QuietLogger,
        "logconfig_dict": logging_config(
            level=settings.log_level, log_format=settings.log_format, secrets=secrets_in(settings)
        ),
        "post_fork": _tie_to_master,
    }


def _tie_to_master(server: Any, _worker: Any) -> None:
    """Let a worker end with its master, which holds the same port."""
    die_with(server.pid if server.pid else os.getppid())

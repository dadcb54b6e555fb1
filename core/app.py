"""Puts the rooms together: builds a Hub from settings, and the Flask app that serves it. A table of contents.

Building starts no thread, opens no connection beyond the database's, and needs neither Redis nor a TRON node.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib import import_module
from ipaddress import ip_network

from flask import Flask, Response, jsonify, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from core.chain.fleet import Fleet
from core.chain.node import HttpNode, host_of
from core.channels.adapters import reason_of
from core.clock import Clock, SystemClock
from core.config import load_settings, name_figures_folder
from core.db import Database, db, engine_options
from core.errors import DatabaseUnavailable, GatewayError, MethodNotAllowed, NotFound
from core.figures import FOLDER_VARIABLE, Figures, tidy
from core.http import GuardedHttp
from core.hub import Hub
from core.ids import Ids
from core.migrations import check_schema, migrate
from core.observing import observe
from core.plugin_loader import load_plugins
from core.projects.vault import Vault
from core.settings import NetworkSettings, NodeSettings, Settings
from core.throttle import Throttle, visitor_of
from core.web import ReadableBodies, error_answer, put_hub, request_id, the_hub

log = logging.getLogger(__name__)

ROOMS = (
    "core.api.compat", "core.api.v1", "core.api.docs", "core.api.channels", "checkout_ui.views",
    "checkout_ui.refund_views",
    "core.dashboard.health", "core.dashboard.metrics",
)


def create_app(settings: Settings | None = None, *, hub: Hub | None = None, check: bool = True) -> Flask:
    """Build the app of a hub; `check` refuses to serve a database whose schema is not at this version's head."""
    if settings is None:
        settings = hub.settings if hub else load_settings()
    app = Flask("core", static_folder=None, template_folder=None)
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings.database_url)
    db.init_app(app)
    migrate.init_app(app, db)
    if hub is None:
        with app.app_context():
            hub = build_hub(settings, Database(db.engine))
    put_hub(app, hub)
    if check:
        check_schema(hub.database)
    for room in ROOMS:
        app.register_blueprint(import_module(room).blueprint)
    _add_plugin_pages(app, hub)
    observe(app)
    _register_edges(app)
    if settings.address_rate_per_minute:
        throttle = Throttle(hub.clock, per_minute=settings.address_rate_per_minute)
        app.before_request(lambda: throttle.take(visitor_of(request)))
    app.url_map.merge_slashes = False  # a signed path is answered as it is, never by a redirect
    app.wsgi_app = ReadableBodies(app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        proxies = settings.trusted_proxies
        behind = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)
        app.wsgi_app = behind  # type: ignore[method-assign]
    return app


def build_hub(settings: Settings, database: Database) -> Hub:
    """Choose the real parts: system clock, system randomness, the guarded door."""
    clock = SystemClock()
    allow = tuple(ip_network(text) for text in settings.egress_allow)
    return Hub(
        settings=settings,
        database=database,
        clock=clock,
        ids=Ids(),
        vault=Vault(settings.master_keys),
        http=GuardedHttp(clock=clock, allow=allow, extra_ports=frozenset(settings.egress_ports)),
        registry=load_plugins(settings.plugins, rate_table=settings.rate_table).registry,
    )


def share_figures(hub: Hub) -> None:
    """Let this process count together with the others of its machine: for those that stay, before they begin."""
    folder = hub.settings.metrics_dir
    if folder is None:
        return
    name_figures_folder(FOLDER_VARIABLE, folder)
    tidy(folder)
    hub.figures = Figures(folder)


def build_fleet(network: NetworkSettings) -> Fleet:
    """Build the clients of the network's providers."""
    clock = SystemClock()
    return Fleet(build_nodes(network, clock), clock=clock)


def build_nodes(network: NetworkSettings, clock: Clock) -> list[HttpNode]:
    """Build the client of each provider; further ones on a host have their number in the settings beside its name.

    A name is in the proof of coverage: it stays when another provider is added.
    """
    hosts = [host_of(node.full_url) for node in network.nodes]
    names = [f"{host} ({place + 1})" if host in hosts[:place] else host for place, host in enumerate(hosts)]
    return [build_node(node, clock, name=name) for node, name in zip(network.nodes, names, strict=True)]


def build_node(node: NodeSettings, clock: Clock, *, name: str | None = None) -> HttpNode:
    """Build the client of one provider."""
    return HttpNode(
        node.full_url,
        node.solid_url,
        node.api_keys,
        rpc_url=node.rpc_url or None,
        clock=clock,
        qps=node.qps,
        daily_requests=node.daily_requests or None,
        name=name,
    )


def _add_plugin_pages(app: Flask, hub: Hub) -> None:
    """Serve what plugins show, each below its own name; one that does not fit is left out and said to be broken."""
    broken = {}
    for plugin, pages in hub.registry.blueprints:
        try:
            app.register_blueprint(pages, url_prefix=f"/plugins/{plugin}")  # type: ignore[arg-type]
        except Exception as err:  # an edge: a plugin's code
            if log.hasHandlers():  # a command says it by `plugins` and `doctor` alone
                log.exception("the pages of plugin %s are left out", plugin)
            broken[plugin] = reason_of(err)
    if broken:
        states = [replace(one, reason=broken.get(one.name, one.reason)) for one in hub.registry.plugins]
        hub.registry = replace(hub.registry, plugins=tuple(states))


def _register_edges(app: Flask) -> None:
    app.register_error_handler(GatewayError, error_answer)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    app.after_request(_harden)


def _database_away(error: OperationalError) -> Response:
    log.error("database unavailable: %s", error.orig)
    return error_answer(DatabaseUnavailable())


def _http_error(error: HTTPException) -> Response:
    if error.code == 404:
        return error_answer(NotFound())
    if error.code == 405:
        answer = error_answer(MethodNotAllowed())
        answer.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
        return answer
    answer = jsonify({"ok": False, "error": error.description or error.name, "code": f"http_{error.code}"})
    answer.status_code = error.code or 500
    return answer


def _unexpected(error: Exception) -> Response:
    """Our own bug: log it once with the route, answer in the contract's form, reveal nothing."""
    log.exception("unexpected error at %s (%s)", request.endpoint, request_id(), exc_info=error)
    return error_answer(GatewayError())


def _harden(answer: Response) -> Response:
    if request.path.startswith("/api/"):
        answer.headers["X-Request-Id"] = request_id()
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "no-referrer")
    if the_hub().settings.base_url.startswith("https:"):
        answer.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return answer

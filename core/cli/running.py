"""The commands that stay: the whole hub, its single roles, and the devnet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.answers import staying
from core.cli.ports import require_free_port
from core.cli.roof import Roof
from core.errors import GatewayError, MisconfiguredHub

if TYPE_CHECKING:
    from core.settings import Settings

PORT = click.IntRange(1, 65_535)
host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
workers_option = click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True,
                              help="Web worker processes.")


@click.command()
@host_option
@click.option("--port", type=PORT, default=8080, show_default=True, help="Listen on this port.")
@workers_option
@staying
def serve(roof: Roof, host: str, port: int, workers: int) -> None:
    """Run the whole hub: web server, watcher and worker, each restarted when it dies.

    Brings the database to this version's schema first. Put a reverse proxy with https in front of it.
    """
    _serve(roof, host=host, port=port, workers=workers)


@click.command()
@host_option
@click.option("--port", type=PORT, default=8080, show_default=True, help="Listen on this port.")
@workers_option
@staying
def web(roof: Roof, host: str, port: int, workers: int) -> None:
    """Run the web server alone."""
    _web(roof, host=host, port=port, workers=workers)


@click.command()
@staying
def watch(roof: Roof) -> None:
    """Watch the chain: credit payments from solid blocks and send their webhooks at once.

    A node that cannot be reached is retried for ever; a node on another network ends the command.
    """
    _watch(roof)


@click.command()
@staying
def work(roof: Roof) -> None:
    """Send due webhooks, retry failed ones, and close test payments whose time is over."""
    _work(roof)


@click.command()
@click.option("--port", type=PORT, default=8081, show_default=True, help="Listen on this port of 127.0.0.1.")
@click.option("--block-interval", type=click.FloatRange(0.01, 3600), default=3.0, show_default=True,
              help="Seconds from block to block.")
@click.option("--witnesses", type=click.IntRange(1, 27), default=27, show_default=True,
              help="Who make blocks in turn; with 27 a block is final 18 blocks later, with 1 at once.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Where the chain is kept; a folder devnet in the data folder by default.")
@staying
def devnet(roof: Roof, port: int, block_interval: float, witnesses: int, data_dir: Path | None) -> None:
    """Run a simulated TRON node alone: its own chain, its own USDT, play money."""
    _devnet(roof, port=port, block_interval_s=block_interval, witnesses=witnesses, data_dir=data_dir)


def start_logging(settings: Settings) -> None:
    """Let this process log as the operator wants."""
    from core.cli.logs import configure_logging, secrets_in

    configure_logging(level=settings.log_level, log_format=settings.log_format, secrets=secrets_in(settings))


def _serve(roof: Roof, *, host: str, port: int, workers: int) -> None:
    from core.clock import SystemClock
    from core.migrations import upgrade
    from workers.supervisor import Child, Signals, Supervisor, paywharf

    start_logging(roof.settings)
    require_free_port(host, port, patience_s=6.0)
    upgrade(roof.bare_hub.database)
    roof.close()  # no connection crosses a fork
    web_arguments = ("--host", host, "--port", str(port), "--workers", str(workers))
    with Signals() as signals, Supervisor(clock=SystemClock(), signals=signals) as supervisor:
        for name, arguments in (("web", web_arguments), ("watch", ()), ("work", ())):
            supervisor.start(Child(name, paywharf(name, *arguments)))
        supervisor.run()


def _web(roof: Roof, *, host: str, port: int, workers: int) -> None:
    from core.migrations import check_schema
    from workers.web import WebServer

    start_logging(roof.settings)
    check_schema(roof.bare_hub.database)
    roof.close()
    WebServer(roof.settings, host=host, port=port, workers=workers).run()


def _watch(roof: Roof) -> None:
    from core.app import build_fleet, share_figures
    from workers import roles

    start_logging(roof.settings)
    if not roof.settings.network.usdt_contract:
        raise MisconfiguredHub("PAYWHARF_USDT_CONTRACT is required: the devnet shows its own at /devnet/status.")
    share_figures(roof.hub)
    roles.watch(roof.hub, build_fleet(roof.settings.network))


def _work(roof: Roof) -> None:
    from core.app import share_figures
    from workers import roles

    start_logging(roof.settings)
    share_figures(roof.hub)
    roles.work(roof.hub)


def _devnet(roof: Roof, *, port: int, block_interval_s: float, witnesses: int, data_dir: Path | None) -> None:
    from core.clock import SystemClock
    from core.devnet.server import serve as serve_devnet
    from core.devnet.store import ChainInUse
    from workers.roles import until_told

    start_logging(roof.settings)
    folder = data_dir or roof.settings.data_dir / "devnet"
    require_free_port("127.0.0.1", port, patience_s=3.0)

    def loop(stop: object) -> None:
        serve_devnet(data_dir=folder, host="127.0.0.1", port=port, block_interval_s=block_interval_s,
                     witnesses=witnesses, clock=SystemClock(), stop=stop)  # type: ignore[arg-type]

    try:
        until_told([loop])
    except (ChainInUse, OSError) as err:
        raise GatewayError(f"The devnet cannot run: {err}.") from err

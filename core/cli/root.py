"""The root of the command line: its table of contents."""

from __future__ import annotations

import click

from core.cli.addresses import address, xpub
from core.cli.backups import backup, restore
from core.cli.channels import channels, plugins
from core.cli.database import db
from core.cli.deliveries import delivery, replay_deliveries
from core.cli.demo import demo
from core.cli.doctor import doctor
from core.cli.endpoints import endpoint
from core.cli.inbox import inbox
from core.cli.listening import events, listen
from core.cli.merchants import merchant
from core.cli.payments import payment
from core.cli.projects import project
from core.cli.proofs import alarms, coverage, dismiss, reconcile, rescan, unfreeze
from core.cli.rates import rates
from core.cli.refunds import refund
from core.cli.rehearsals import test_clock, trigger
from core.cli.roof import Roof
from core.cli.running import devnet, serve, watch, web, work
from core.cli.signatures import signature
from core.cli.statement import balance, statement

COMMANDS = (
    channels, plugins, statement, balance, backup, restore, refund,
    merchant, project, address, xpub, payment, inbox, endpoint, delivery, db, serve, web, watch, work, devnet, demo,
    doctor, coverage, reconcile, rescan, alarms, dismiss, unfreeze, trigger, test_clock, listen, events, signature,
    rates,
)


class Commands(click.Group):
    """Our commands, and those of plugins, which are loaded only when a name is none of ours."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name."""
        return super().get_command(ctx, cmd_name) or _plugin_command(ctx, cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="paywharf", prog_name="paywharf")
@click.pass_context
def main(context: click.Context) -> None:
    """Paywharf: a self-hosted USDT-TRC20 payment gateway.

    Settings come from PAYWHARF_… environment variables and from the file paywharf.env in the data folder (var/).
    """
    context.obj = context.obj or Roof()
    context.call_on_close(context.obj.close)


def _plugin_command(context: click.Context, name: str) -> click.Command | None:
    """Ask the plugins for a command; where there are no settings to load them by, there is none."""
    from core.errors import GatewayError
    from core.plugin_loader import load_plugins

    roof = context.obj or Roof()
    try:
        plugins = load_plugins(roof.settings.plugins)
    except GatewayError:
        return None
    theirs = click.Group()
    for _ in plugins.ask_each("register_commands", cli=theirs):
        pass
    return theirs.commands.get(name)


for command in COMMANDS:
    main.add_command(command)
main.add_command(replay_deliveries, "replay")

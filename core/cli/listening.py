"""`paywharf listen`: webhooks on a desk without a public URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.answers import staying
from core.cli.roof import Roof

if TYPE_CHECKING:
    from core.listen.client import Listener

HUB = click.option("--hub", "base_url", required=True, envvar="PAYWHARF_LISTEN_HUB", help="The hub's public URL.")
KEY = click.option(
    "--key", required=True, envvar="PAYWHARF_LISTEN_KEY", help="A public key of the project, test or live."
)
SECRET = click.option(
    "--secret", required=True, envvar="PAYWHARF_LISTEN_SECRET", prompt=True, hide_input=True,
    help="Its secret; better in PAYWHARF_LISTEN_SECRET, or typed when asked, than here.",
)
KINDS = click.option("--event", "kinds", multiple=True, help="Only this type; may be given several times.")


@click.command()
@HUB
@KEY
@SECRET
@click.option("--webhook-secret", default="", envvar="PAYWHARF_LISTEN_WEBHOOK_SECRET",
              help="whsec_…, to sign by Standard Webhooks too.")
@click.option("--forward-to", help="POST each event here, such as http://127.0.0.1:3000/paywharf; else only list it.")
@KINDS
@click.option("--from-start", is_flag=True, help="Begin at the oldest event instead of what happens from now on.")
@staying
def listen(
    _roof: Roof, base_url: str, key: str, secret: str, webhook_secret: str, forward_to: str | None,
    kinds: tuple[str, ...], from_start: bool,
) -> None:
    """Follow a project's events and forward each, signed as its webhook, to a program on this machine.

    A client of /api/v1: it needs no database and no settings. Ctrl-C ends it.
    """
    from core.listen.client import Listener

    listener = Listener(
        base_url, key, secret, forward_to=forward_to, kinds=kinds, webhook_secret=webhook_secret,
        start="oldest" if from_start else "newest",
    )
    _follow(listener)


@click.command()
@HUB
@KEY
@SECRET
@KINDS
@click.option("--follow", "stays", is_flag=True, help="Then go on with what happens, until Ctrl-C.")
@staying
def events(_roof: Roof, base_url: str, key: str, secret: str, kinds: tuple[str, ...], stays: bool) -> None:
    """List a project's events, the oldest first, one JSON line each.

    A client of /api/v1, as `listen` is; that one forwards them to a program.
    """
    from core.listen.client import Listener

    _follow(Listener(base_url, key, secret, kinds=kinds, start="oldest"), stays=stays)


def _follow(listener: Listener, *, stays: bool = True) -> None:
    from core.listen.client import HubAway, HubRefused, follow, list_all
    from workers.roles import until_told

    try:
        if stays:
            until_told([lambda stop: follow(listener, say=click.echo, wait=stop.wait)])
        else:
            list_all(listener, say=click.echo)
    except (HubRefused, HubAway) as err:
        raise click.ClickException(str(err)) from err

"""`paywharf project`: a website, bot or service with its keys, mode and webhook URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.answers import ID, MODES, Answer, answering, listing, table
from core.cli.documents import endpoint_document, issued_keys, key_documents, project_document
from core.cli.lookups import merchant_or_only
from core.cli.roof import Roof

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.models import Project

MODE = click.Choice(MODES)
ONCE = "Secrets are shown this once: store them now, on your backend only."


@click.group()
def project() -> None:
    """A website, bot or service: its identity, keys, mode and webhook URL."""


@project.command()
@click.option("--merchant", "merchant_id", type=ID, help="The owner; needed with several merchants.")
@click.option("--name", help="What to call it; the website's host if left out.")
@click.option("--website", metavar="URL", help="Its Website URL; payments are refused until it is set.")
@click.option("--webhook-url", metavar="URL", help="Where its webhooks go.")
@answering
def create(
    roof: Roof, merchant_id: int | None, name: str | None, website: str | None, webhook_url: str | None
) -> Answer:
    """Create a project, in Test mode, and show its keys and secrets this once."""
    from core.projects import service

    if name is None and website is None:
        raise click.UsageError("Give the project a --name or a --website.")
    with roof.transaction() as session:
        made = service.create_project(
            session,
            roof.hub,
            merchant_id=merchant_or_only(session, merchant_id),
            name=name or _host(roof, website or ""),
            website=website,
            webhook_url=webhook_url,
        )
        shown = project_document(made.project)
    keys = issued_keys(made.keys)
    secrets = {"keys": keys, "webhook_url": webhook_url, "webhook_secret": made.webhook_secret}
    pairs = [(f"{mode}_{part}", value) for mode, pair in keys.items() for part, value in pair.items()]
    text = listing([*shown.items(), *pairs, ("webhook_url", webhook_url), ("webhook_secret", made.webhook_secret)])
    return Answer(shown | secrets, f"{text}\n\n{ONCE}")


@project.command("list")
@answering
def list_projects(roof: Roof) -> Answer:
    """List the projects of this hub."""
    from sqlalchemy import select

    from core.models import Project

    with roof.snapshot() as session:
        rows = [project_document(row) for row in session.scalars(select(Project).order_by(Project.id))]
    columns = ("project_id", "merchant_id", "name", "website", "mode", "disabled")
    return Answer(rows, table(rows, columns, empty="No project yet: paywharf project create --website URL"))


@project.command()
@click.argument("project_id", type=ID)
@answering
def show(roof: Roof, project_id: int) -> Answer:
    """Show a project; of each secret the last four characters."""
    from core.projects.service import get_project

    with roof.snapshot() as session:
        document = _whole_document(roof, session, get_project(session, project_id))
    keys = document["keys"]
    assert isinstance(keys, dict)
    pairs = [(f"{mode}_{part}", value) for mode, pair in keys.items() for part, value in pair.items()]
    return Answer(document, listing([*((k, v) for k, v in document.items() if k != "keys"), *pairs]))


@project.command("set-website")
@click.argument("project_id", type=ID)
@click.argument("url")
@answering
def set_website(roof: Roof, project_id: int, url: str) -> Answer:
    """Bind a project to the website at URL; its host belongs to one project only."""
    from core.projects import service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        service.set_website(session, roof.hub, row, url)
        return Answer(project_document(row), f"Project {project_id} belongs to {row.website_url} now.")


@project.command("set-webhook")
@click.argument("project_id", type=ID)
@click.argument("url")
@answering
def set_webhook(roof: Roof, project_id: int, url: str) -> Answer:
    """Send a project's webhooks to URL from now on; the first time, show their secret this once."""
    from core.projects import service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        secret = service.set_webhook(session, roof.hub, row, url)
    document = {"project_id": project_id, "webhook_url": url, "webhook_secret": secret}
    kept = "The webhook secret stays the same." if secret is None else ONCE
    return Answer(document, f"{listing(document.items())}\n\n{kept}")


@project.command("set-mode")
@click.argument("project_id", type=ID)
@click.argument("mode", type=MODE)
@answering
def set_mode(roof: Roof, project_id: int, mode: str) -> Answer:
    """Switch a project between Test and Live mode; payments already open go on as they are."""
    from core.ids import Mode
    from core.projects import service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        service.set_mode(row, Mode(mode))
    return Answer(project_document(row), f"Project {project_id} is in {mode.capitalize()} mode.")


@project.command("set-policy")
@click.argument("project_id", type=ID)
@click.option("--tolerance", metavar="USDT", help="Take a shortfall up to this for enough; 0 for none, at most 5.")
@click.option("--late-accept", "late_accept_s", metavar="SECONDS", type=click.IntRange(0),
              help="Let exact money still pay so long after the window, at most the late window.")
@click.option("--addressing", type=click.Choice(("auto", "shared", "pool", "xpub")),
              help="Where payments get their address: shared, told apart by amount; from the pool; from the xpub.")
@click.option("--overpaid-note", help="What a buyer who has sent too much is told; empty for our own words.")
@click.option("--reporting-currency", metavar="CODE",
              help="Value statements in this currency (ISO 4217); empty for none.")
@answering
def set_policy(
    roof: Roof, project_id: int, tolerance: str | None, late_accept_s: int | None, addressing: str | None,
    overpaid_note: str | None, reporting_currency: str | None,
) -> Answer:
    """Decide what payments opened from now on do with odd money; what is left out stays as it is.

    With a tolerance, amounts on a shared address keep that much distance: an address then serves few open payments of
    about the same price. Use several, or a pool, or an xpub.
    """
    from core.projects import policies, service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        policies.set_policy(
            row, tolerance=tolerance, late_accept_s=late_accept_s, addressing=addressing, overpaid_note=overpaid_note,
            reporting_currency=reporting_currency,
        )
    document = project_document(row)
    return Answer(document, listing(document.items()))


@project.command("rotate-key")
@click.argument("project_id", type=ID)
@click.argument("mode", type=MODE)
@click.option("--promote", is_flag=True, help="Make no new secret: let the newest one sign webhooks from now on.")
@answering
def rotate_key(roof: Roof, project_id: int, mode: str, promote: bool) -> Answer:
    """Give the test or live key pair a new secret, shown this once.

    For 24 hours requests may be signed with either secret, and webhooks stay signed with the old one: deploy the new
    secret, then run this again with --promote, or wait.
    """
    from core.ids import Mode
    from core.projects import service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        if promote:
            service.promote_key(session, row, Mode(mode))
            document: dict[str, object] = {"project_id": project_id, "mode": mode, "promoted": True}
            return Answer(document, f"Webhooks are signed with the newest {mode} secret from now on.")
        issued = service.rotate_key(session, roof.hub, row, Mode(mode))
    document = {"project_id": project_id, "mode": mode, "key": issued.public_key, "secret": issued.secret}
    return Answer(document, f"{listing(document.items())}\n\n{ONCE}")


@project.command("rotate-webhook-secret")
@click.argument("project_id", type=ID)
@answering
def rotate_webhook_secret(roof: Roof, project_id: int) -> Answer:
    """Give a project's webhooks a new secret, shown this once; for 24 hours both sign (Standard Webhooks)."""
    from core.projects import service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        secret = service.rotate_webhook_secret(session, roof.hub, row)
    document = {"project_id": project_id, "webhook_secret": secret}
    return Answer(document, f"{listing(document.items())}\n\n{ONCE}")


@project.command()
@click.argument("project_id", type=ID)
@answering
def disable(roof: Roof, project_id: int) -> Answer:
    """Refuse a project's new payments; those already open can still be paid and read."""
    from core.projects import service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        service.disable(row, roof.hub)
    return Answer(project_document(row), f"Project {project_id} is disabled.")


@project.command()
@click.argument("project_id", type=ID)
@answering
def enable(roof: Roof, project_id: int) -> Answer:
    """Take a project's new payments again."""
    from core.projects import service

    with roof.transaction() as session:
        row = service.get_project(session, project_id)
        service.enable(row)
    return Answer(project_document(row), f"Project {project_id} is enabled.")


def _host(roof: Roof, website: str) -> str:
    from core.projects.website import parse_website

    return parse_website(website, allow_loopback=roof.settings.dev_loopback_websites).host


def _whole_document(roof: Roof, session: Session, row: Project) -> dict[str, object]:
    from sqlalchemy import select

    from core.models import Credential, Endpoint
    from core.models.outbox import IS_PRIMARY
    from core.projects.keys import webhook_secrets

    credentials = session.scalars(select(Credential).where(Credential.project_id == row.id)).all()
    endpoint = session.scalar(select(Endpoint).where(Endpoint.project_id == row.id, IS_PRIMARY))
    last4 = webhook_secrets(endpoint, roof.hub.vault, now=roof.hub.clock.now())[0][-4:] if endpoint else ""
    return project_document(row) | {"keys": key_documents(credentials)} | endpoint_document(endpoint, last4=last4)

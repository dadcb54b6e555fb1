"""`paywharf address` and `paywharf xpub`: where customers pay to."""

from __future__ import annotations

import sys

import click

from core.cli.answers import ID, Answer, answering, table
from core.cli.documents import address_document
from core.cli.lookups import merchant_or_only
from core.cli.roof import Roof

merchant_option = click.option(
    "--merchant", "merchant_id", type=ID, help="Whose address it is; needed with several merchants."
)
label_option = click.option("--label", default="", help="A name for yourself.")


@click.group()
def address() -> None:
    """A merchant's receiving addresses; of its own wallet's the hub never holds the keys."""


@address.command()
@click.argument("address")
@merchant_option
@label_option
@click.option("--confirm", "read_back", metavar="CHARACTERS",
              help="Its last six characters, read again from your wallet; needed where no terminal can be asked.")
@answering
def add(roof: Roof, address: str, merchant_id: int | None, label: str, read_back: str | None) -> Answer:
    """Watch ADDRESS (T…) for payments to any of the merchant's projects."""
    from core.chain.addresses import parse_address
    from core.projects.receiving import add_address

    parse_address(address)  # before anybody is asked to compare it
    if read_back is None:
        read_back = _ask_wallet("Look into your wallet again: the last six characters of the address")
    with roof.transaction() as session:
        owner_id = merchant_or_only(session, merchant_id)
        row = add_address(
            session, roof.hub, merchant_id=owner_id, address=address, label=label, read_back=read_back
        )
    text = f"Address {row.base58} of merchant {owner_id} is watched from now on."
    return Answer(address_document(row), "\n".join([text, *_blacklist_warning(roof, row.base58)]))


@address.command()
@merchant_option
@label_option
@answering
def hold(roof: Roof, merchant_id: int | None, label: str) -> Answer:
    """Make an address whose private key this hub keeps, sealed under the master key.

    Not there yet: a command that sends what it receives. Payments of every project of the merchant may use it at once.
    """
    from core.projects.receiving import hold_address

    with roof.transaction() as session:
        owner_id = merchant_or_only(session, merchant_id)
        row = hold_address(session, roof.hub, merchant_id=owner_id, label=label)
    text = (
        f"Address {row.base58} of merchant {owner_id} is held by this hub and watched from now on.\n"
        "Back up the database AND the master key: without either its money is lost.\n"
        "Nothing in this version sends what it receives: for real money use an address of your own wallet."
    )
    return Answer(address_document(row), text)


@address.command()
@click.argument("address")
@answering
def confirm(roof: Roof, address: str) -> Answer:
    """Say that ADDRESS's first payment has arrived in your wallet."""
    from core.projects.receiving import confirm_address

    with roof.transaction() as session:
        row = confirm_address(session, roof.hub, address=address)
    return Answer(address_document(row), f"Address {row.base58} is confirmed.")


@address.command()
@click.argument("address")
@answering
def retire(roof: Roof, address: str) -> Answer:
    """Offer ADDRESS to no further payment; it stays watched."""
    from core.projects.receiving import retire_address

    with roof.transaction() as session:
        row = retire_address(session, roof.hub, address=address)
    return Answer(address_document(row), f"Address {row.base58} is retired; what still comes there is seen.")


@address.command()
@click.argument("address")
@answering
def pool(roof: Roof, address: str) -> Answer:
    """Promise ADDRESS to one payment at a time, for projects whose policy is `--addressing pool`."""
    from core.projects.receiving import set_exclusive

    with roof.transaction() as session:
        row = set_exclusive(session, address=address, exclusive=True)
    return Answer(address_document(row), f"Address {row.base58} is in the pool: one payment at a time.")


@address.command()
@click.argument("address")
@answering
def share(roof: Roof, address: str) -> Answer:
    """Take ADDRESS out of the pool: payments share it, told apart by their amounts."""
    from core.projects.receiving import set_exclusive

    with roof.transaction() as session:
        row = set_exclusive(session, address=address, exclusive=False)
    return Answer(address_document(row), f"Address {row.base58} is shared by payments.")


@address.command("list")
@answering
def list_addresses(roof: Roof) -> Answer:
    """List every receiving address."""
    from sqlalchemy import select

    from core.models import Address

    with roof.snapshot() as session:
        rows = [address_document(row) for row in session.scalars(select(Address).order_by(Address.id))]
    columns = ("address_id", "merchant_id", "address", "kind", "pooled", "state", "retired")
    return Answer(rows, table(rows, columns, empty="No receiving address yet: paywharf address add ADDRESS"))


@click.group()
def xpub() -> None:
    """An account's public key: each payment gets an address of its own, and the hub can spend nothing."""


@xpub.command("add")
@click.argument("xpub")
@merchant_option
@label_option
@click.option("--confirm", "first", metavar="ADDRESS",
              help="Your wallet's first receiving address; needed where no terminal can be asked.")
@answering
def add_xpub(roof: Roof, xpub: str, merchant_id: int | None, label: str, first: str | None) -> Answer:
    """Derive the addresses of coming payments from XPUB, exported from your wallet at m/44'/195'/0'."""
    from core.errors import ReadBackDiffers
    from core.projects import receiving

    addresses = [found.base58 for found in receiving.first_addresses(xpub)]
    if first is None:
        first = _ask_wallet("Look into your wallet: its first receiving address")
    if first != addresses[0]:
        raise ReadBackDiffers("This is not the first address of that xpub: nothing was added.")
    with roof.transaction() as session:
        owner_id = merchant_or_only(session, merchant_id)
        row = receiving.add_xpub(session, roof.hub, merchant_id=owner_id, xpub=xpub, label=label)
    text = "\n".join([
        f"Each coming payment of merchant {owner_id} gets an address of its own. Compare the first with your wallet:",
        *(f"  {index}  {found}" for index, found in enumerate(addresses)),
    ])
    return Answer({"xpub_id": row.id, "merchant_id": owner_id, "addresses": addresses}, text)


@xpub.command("retire")
@merchant_option
@answering
def retire_xpub(roof: Roof, merchant_id: int | None) -> Answer:
    """Derive no further addresses; those there are stay watched."""
    from core.errors import NotFound
    from core.projects import receiving

    with roof.transaction() as session:
        owner_id = merchant_or_only(session, merchant_id)
        if not receiving.retire_xpub(session, roof.hub, merchant_id=owner_id):
            raise NotFound(f"Merchant {owner_id} has no xpub.")
    return Answer({"merchant_id": owner_id}, f"Merchant {owner_id}'s payments share its addresses again.")


def _ask_wallet(question: str) -> str:
    """Have a human read from the wallet; money sent to an address that is nobody's is lost."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"There is no terminal to ask in, so --confirm is needed. {question}.")
    answer: str = click.prompt(question, err=True)
    return answer


def _blacklist_warning(roof: Roof, address: str) -> list[str]:
    """Ask the USDT contract about a new address, if a node is there to be asked."""
    from core.app import build_fleet
    from core.chain.addresses import parse_address
    from core.chain.token import is_blacklisted
    from core.errors import GatewayError

    network = roof.settings.network
    if not network.usdt_contract:
        return []
    fleet = build_fleet(network)
    contract, holder = parse_address(network.usdt_contract), parse_address(address)
    try:
        if fleet.ask(lambda node: is_blacklisted(node, contract, holder)):
            return ["WARNING: the USDT contract has blacklisted it: it could receive money and never send it."]
        return []
    except GatewayError:
        return ["The USDT contract could not be asked whether it is blacklisted: run `paywharf doctor` later."]
    finally:
        fleet.close()

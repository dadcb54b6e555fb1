"""Where a merchant's customers pay: its own addresses, an account xpub, addresses whose key the hub holds.

What protects against the wrong address: a checksum, a read-back when it is added, a question at its first payment, no
retiring while payments wait on it. Every function is handed a session and never commits.
"""

from __future__ import annotations

import hmac

from coincurve import PrivateKey
from Crypto.Hash import keccak
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, clear_alarm
from core.chain.addresses import TronAddress, address_of, parse_address
from core.chain.xpub import address_at, parse_xpub, xpub_place
from core.errors import AddressInUse, AddressTaken, InvalidField, NotFound, ReadBackDiffers
from core.hub import Hub
from core.ids import random_bytes
from core.models import AccountXpub, Address, Merchant, Reservation
from core.projects.vault import fingerprint

READ_BACK = 6  # characters from the end: 35 bits, far more than a swapped or truncated address could meet by chance
SHOWN = 3  # addresses of an xpub, to be compared with the wallet's


def add_address(
    session: Session, hub: Hub, *, merchant_id: int, address: str, label: str = "", read_back: str | None = None
) -> Address:
    """Watch a merchant's own address for payments to any of its projects.

    read_back: its last characters, read again from the wallet; None skips the check.
    Raises NotFound (merchant), InvalidAddress, ReadBackDiffers, AddressTaken.
    """
    _check_merchant(session, merchant_id)
    parsed = parse_address(address)
    if parsed.base58 == hub.settings.network.usdt_contract or not any(parsed.raw20):
        raise InvalidField("This address belongs to nobody who could use the money: not a receiving address.")
    if read_back is not None and not _is_read_back(parsed.base58, read_back):
        raise ReadBackDiffers
    return _insert(session, hub, parsed, merchant_id=merchant_id, label=label)


def hold_address(session: Session, hub: Hub, *, merchant_id: int, label: str = "") -> Address:
    """Make an address whose private key this hub keeps, sealed under the master key. Raises NotFound (merchant)."""
    _check_merchant(session, merchant_id)
    key = PrivateKey(random_bytes(32))
    point = key.public_key.format(compressed=False)[1:]
    parsed = address_of(keccak.new(digest_bits=256, data=point).digest()[-20:])
    sealed = hub.vault.seal(key.to_hex(), place=held_key_place(parsed.base58))
    return _insert(session, hub, parsed, merchant_id=merchant_id, label=label, kind="held", sealed_key=sealed)


def retire_address(session: Session, hub: Hub, *, address: str) -> Address:
    """Offer an address to no further payment; it stays watched. Raises NotFound, AddressInUse."""
    row = find_address(session, address)
    held = exists().where(Reservation.address_id == row.id, Reservation.released_at.is_(None))
    if session.scalar(select(held)):
        raise AddressInUse
    row.retired_at = row.retired_at or hub.clock.now()
    return row


def set_exclusive(session: Session, *, address: str, exclusive: bool) -> Address:
    """Put an address into the pool, for one payment at a time, or let payments share it again.

    Raises NotFound, InvalidField (a derived address), AddressInUse (payments wait on it).
    """
    found = find_address(session, address)
    row = session.get_one(Address, found.id, with_for_update=True)  # waits for promises that are being made
    if row.kind == "derived":
        raise InvalidField("A derived address is one payment's for ever.")
    held = exists().where(Reservation.address_id == row.id, Reservation.released_at.is_(None))
    if row.exclusive != exclusive and session.scalar(select(held)):
        raise AddressInUse
    row.exclusive = exclusive
    return row


def confirm_address(session: Session, hub: Hub, *, address: str) -> Address:
    """Note that the merchant has seen the address's first payment in its own wallet. Raises NotFound, InvalidField."""
    row = find_address(session, address)
    if row.first_paid_at is None:
        raise InvalidField("This address has received nothing yet: there is nothing to confirm.")
    row.confirmed_at = row.confirmed_at or hub.clock.now()
    clear_alarm(session, kind=AlarmKind.FIRST_PAYMENT, subject=row.base58, now=hub.clock.now())
    return row


def find_address(session: Session, address: str) -> Address:
    """Find a registered address; raises NotFound, InvalidAddress."""
    row = session.scalar(select(Address).where(Address.raw20 == parse_address(address).raw20))
    if row is None:
        raise NotFound("This address is not registered in this hub.")
    return row


def add_xpub(session: Session, hub: Hub, *, merchant_id: int, xpub: str, label: str = "") -> AccountXpub:
    """Give each of a merchant's coming payments an address of its own, derived from its account's public key.

    An xpub the merchant had before is retired; its addresses stay watched.
    Raises NotFound (merchant), InvalidXpub, AddressTaken (the xpub is registered already).
    """
    _check_merchant(session, merchant_id)
    parse_xpub(xpub)
    mark = fingerprint(xpub)
    if session.scalar(select(exists().where(AccountXpub.fingerprint == mark))):
        raise AddressTaken("This xpub is already registered in this hub.")
    retire_xpub(session, hub, merchant_id=merchant_id)
    row = AccountXpub(
        merchant_id=merchant_id,
        fingerprint=mark,
        xpub=hub.vault.seal(xpub, place=xpub_place(mark)),
        next_index=0,
        label=label,
        created_at=hub.clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def retire_xpub(session: Session, hub: Hub, *, merchant_id: int) -> bool:
    """Derive no further addresses for a merchant; False when it has no xpub."""
    row = active_xpub(session, merchant_id)
    if row is None:
        return False
    row.retired_at = hub.clock.now()
    session.flush()
    return True


def active_xpub(session: Session, merchant_id: int) -> AccountXpub | None:
    """Find the xpub that a merchant's payments get their addresses from."""
    return session.scalar(
        select(AccountXpub).where(AccountXpub.merchant_id == merchant_id, AccountXpub.retired_at.is_(None))
    )


def first_addresses(xpub: str) -> list[TronAddress]:
    """List the first addresses of an xpub, to be compared with the wallet's. Raises InvalidXpub."""
    account = parse_xpub(xpub)
    return [found for index in range(SHOWN) if (found := address_at(account, index)) is not None]


def held_key_place(base58: str) -> str:
    """Name the place a held address's private key is sealed for."""
    return f"address:{base58}:sealed_key"


def _insert(
    session: Session,
    hub: Hub,
    parsed: TronAddress,
    *,
    merchant_id: int,
    label: str,
    kind: str = "own",
    sealed_key: bytes | None = None,
) -> Address:
    if session.scalar(select(exists().where(Address.raw20 == parsed.raw20))):
        raise AddressTaken
    row = Address(
        merchant_id=merchant_id,
        kind=kind,
        base58=parsed.base58,
        raw20=parsed.raw20,
        label=label,
        created_at=hub.clock.now(),
        sealed_key=sealed_key,
    )
    session.add(row)
    session.flush()
    return row


def _check_merchant(session: Session, merchant_id: int) -> None:
    if session.get(Merchant, merchant_id) is None:
        raise NotFound(f"There is no merchant {merchant_id}.")


def _is_read_back(base58: str, typed: str) -> bool:
    return len(typed) >= READ_BACK and hmac.compare_digest(base58[-len(typed):].encode(), typed.encode())

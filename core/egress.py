"""Judge where a merchant-chosen URL may lead: pure rules over its text and over resolved addresses, no I/O.

It refuses to trust `ipaddress.is_global`, which is True for NAT64, 6to4, multicast and other ways into our own
network (Python 3.11). What it judges is what is connected to: `Target` is parsed once and used for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from core.errors import EgressBlocked

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_LIMIT = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
# Special-purpose registries of IANA (RFC 6890 and successors), the AS112 and 6to4 relay blocks, multicast, reserved.
DENIED_IPV4 = tuple(IPv4Network(text) for text in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
))
# Only unicast space that is handed out to anybody, without Teredo and friends, documentation and 6to4.
PERMITTED_IPV6 = IPv6Network("2000::/3")
DENIED_IPV6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\\ud800-\udfff\u2028\u2029\u3000]")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# A last label like this makes every resolver read the host as an IPv4 address: 0, 127.1, 0x7f000001 (WHATWG URL).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: `host` in ASCII without brackets or a final dot, `path` with its query, as sent."""

    scheme: str
    host: str
    port: int
    path: str
    is_literal: bool

    @property
    def host_header(self) -> str:
        """Spell host and port as HTTP's Host header wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """Read a URL strictly, as every client on the way would read it. Raises EgressBlocked with the reason."""
    if len(url) > URL_LIMIT:
        raise EgressBlocked(f"The URL is longer than {URL_LIMIT} characters.")
    if _UNPRINTABLE.search(url) is not None:
        raise EgressBlocked("The URL must not contain blanks, control characters or backslashes.")
    match = _AUTHORITY.match(url)
    if match is None or not match[1]:
        raise EgressBlocked("The URL must look like https://host/path.")
    if "@" in match[1]:
        raise EgressBlocked("The URL must not contain a user name or password.")
    if "%" in match[1]:
        raise EgressBlocked("The host of the URL must not contain a percent sign.")
    parsed = _parsed(url)
    if parsed.scheme not in DEFAULT_PORTS:
        raise EgressBlocked("The URL must begin with https://.")
    host, is_literal = _host(parsed.host or "")
    port = parsed.port if parsed.port is not None else DEFAULT_PORTS[parsed.scheme]
    return Target(scheme=parsed.scheme, host=host, port=port, path=parsed.request_uri, is_literal=is_literal)


def require_public_form(target: Target, *, extra_ports: frozenset[int] = frozenset()) -> None:
    """Require https, port 443 or one of `extra_ports`, and a name. Raises EgressBlocked."""
    if target.scheme != "https":
        raise EgressBlocked("The URL must begin with https://.")
    if target.port != DEFAULT_PORTS["https"] and target.port not in extra_ports:
        raise EgressBlocked("The URL must use the standard port of https, 443.")
    if target.is_literal:
        raise EgressBlocked("The URL must contain a domain name, not an IP address.")


def require_public(addresses: Sequence[Address]) -> None:
    """Require that every address belongs to the public internet; one that does not blocks all. Raises EgressBlocked.

    The sentence names no address: it would tell a stranger what our own network's names resolve to.
    """
    if not addresses or any(is_denied(address) for address in addresses):
        raise EgressBlocked()


def is_denied(address: Address) -> bool:
    """Tell whether an address is anything else than somebody's public unicast address."""
    address = plain(address)
    if isinstance(address, IPv4Address):
        return _is_in(address, DENIED_IPV4)
    return address not in PERMITTED_IPV6 or _is_in(address, DENIED_IPV6)


def are_allowed(addresses: Sequence[Address], allow: Iterable[Network]) -> bool:
    """Tell whether every address lies in a network that the operator has listed; with no address, none does."""
    networks = tuple(allow)
    return bool(addresses) and all(_is_in(plain(address), networks) for address in addresses)


def addresses_of(texts: Iterable[str]) -> list[Address]:
    """Read resolved addresses, IPv4 unwrapped from IPv6, in order and once each. Raises EgressBlocked on any other."""
    try:
        return list(dict.fromkeys(plain(ip_address(text)) for text in texts))
    except ValueError as err:
        raise EgressBlocked() from err


def plain(address: Address) -> Address:
    """Unwrap an IPv4 address that is written as an IPv6 one (::ffff:127.0.0.1): connecting reaches the IPv4 one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _parsed(url: str) -> Url:
    try:
        return parse_url(url)
    except LocationParseError as err:
        raise EgressBlocked("The URL is not valid.") from err


def _host(text: str) -> tuple[str, bool]:
    """Turn a parsed host into the one that is looked up, and tell whether it is an address already.

    parse_url has written international names in ASCII by IDNA 2008: full-width digits and odd dots do not survive it.
    """
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1])), True
        except ValueError as err:
            raise EgressBlocked("The host of the URL is not valid.") from err
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise EgressBlocked("The host of the URL is not valid.")
    return host, _NUMBER.fullmatch(labels[-1]) is not None


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)

"""Who a website is, and which return URLs belong to it; pure text, no name is ever resolved here.

A URL is split once, by the parser that also connects elsewhere in the house (urllib3), after everything on which
parsers and browsers disagree has been refused: controls, white space, backslashes, and `%` in a host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import idna
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from core.errors import GatewayError, InvalidUrl, InvalidWebsite

MAX_URL = 2048  # characters, also after normalising; the least that servers and browsers all take
MAX_HOST = 253  # characters of a DNS name without its trailing dot (RFC 1035, 2.3.4)
DEFAULT_PORTS = {"https": 443, "http": 80}
LOOPBACK_HOSTS = ("127.0.0.1", "localhost")
# Names that can be nobody's public shop (RFC 6761, 6762, 8375, 9476; ICANN's list of collisions). `.example` and
# `.test` are admitted: they never resolve in public, so they harm nobody, and documents and staging hosts use them.
PRIVATE_SUFFIXES = ("localhost", "localdomain", "local", "internal", "invalid", "alt", "arpa", "home", "lan", "corp")

_SCHEME_AND_AUTHORITY = re.compile(r"(https?)://([^/?#]+)", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOP_LABEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")  # never a number: browsers read such names as IPv4


class HostMismatch(GatewayError):
    """A URL leads to another host; the contract has one sentence for success_url and one for fail_url."""

    code, http_status = "host_mismatch", 422
    sentence = "The URL is not on the project's website."


@dataclass(frozen=True, slots=True)
class Website:
    """A project's website: the URL as normalised, and the host that is its identity across all merchants.

    host: lower case, IDNA 2008 in ASCII, without trailing dot, `www.` and port; a loopback host keeps its port.
    """

    url: str
    host: str


def parse_website(url: str, *, allow_loopback: bool = False) -> Website:
    """Read a Website URL; a bare domain name is taken as https.

    allow_loopback: the development setting that admits 127.0.0.1 and localhost, each port a website of its own.
    Raises InvalidWebsite for IP addresses in any spelling, single words, private and malformed names (S1-S28, U21).
    """
    text = url if "://" in url or url.startswith("/") else f"https://{url}"
    try:
        parts = _split(text)
    except InvalidUrl as error:
        raise InvalidWebsite(f"The Website URL is not valid: {error.sentence}") from error
    if parts.auth is not None:
        raise InvalidWebsite("The Website URL must not contain a user name or password.")
    host = parts.host or ""
    if not (allow_loopback and host in LOOPBACK_HOSTS) and not _is_public_name(host):
        raise InvalidWebsite
    return Website(url=parts.url, host=_identity(parts))


def check_return_url(
    url: str, *, website: Website, allow_http: bool = False, allow_subdomains: bool = False
) -> str:
    """Check a success_url or fail_url against the project's website and return it normalised, fit to redirect to.

    allow_http: for test mode; an http website allows it anyway.   allow_subdomains: the operator's choice.
    Raises HostMismatch for another host, InvalidUrl for everything else (U1-U25).
    """
    parts = _split(url)
    host = _identity(parts)
    if host != website.host and not (allow_subdomains and host.endswith(f".{website.host}")):
        raise HostMismatch
    if parts.auth is not None:
        raise InvalidUrl("The URL must not contain a user name or password.")
    if parts.scheme == "http" and not (allow_http or website.url.startswith("http://")):
        raise InvalidUrl("The URL must start with https://.")
    return parts.url


def _split(url: str) -> Url:
    """Parse an http or https URL and normalise it: host, default port, escapes, dot segments.

    `auth` is None only without any `@` before the host: an empty user name is one too.
    """
    if len(url) > MAX_URL:
        raise InvalidUrl(f"A URL must have at most {MAX_URL} characters.")
    if not url.isprintable() or "\\" in url or " " in url:
        raise InvalidUrl("A URL must not contain white space, backslashes or control characters.")
    match = _SCHEME_AND_AUTHORITY.match(url)
    if match is None:
        raise InvalidUrl("A URL must start with https:// and a domain name.")
    if "%" in match[2]:
        raise InvalidUrl("A URL must not contain % in its host.")  # parse_url would decode it (U9)
    try:
        parts = parse_url(url)
    except (LocationParseError, ValueError) as error:
        raise InvalidUrl from error
    auth = (parts.auth or "") if "@" in match[2] else None
    normal = parts._replace(auth=auth, host=_normal_host(parts.host or ""), port=_own_port(parts))
    if len(normal.url) > MAX_URL:
        raise InvalidUrl(f"A URL must have at most {MAX_URL} characters.")
    return normal


def _normal_host(host: str) -> str:
    """Bring a host to lower-case ASCII without trailing dot; an IPv6 literal stays as it is, in its brackets."""
    if host.startswith("["):
        return host
    name = host.removesuffix(".").lower()
    try:
        ascii_name = name if name.isascii() else idna.encode(name, strict=True, std3_rules=True).decode()
        if "xn--" in ascii_name:
            idna.decode(ascii_name, strict=True, std3_rules=True)
    except UnicodeError as error:  # idna.IDNAError is one
        raise InvalidUrl("The host of the URL is not a valid domain name.") from error
    if len(ascii_name) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in ascii_name.split(".")):
        raise InvalidUrl("The host of the URL is not a valid domain name.")
    return ascii_name


def _own_port(parts: Url) -> int | None:
    """Return the port, None where it is the scheme's own."""
    if parts.port == 0:
        raise InvalidUrl("The port of the URL is not valid.")
    return None if parts.port == DEFAULT_PORTS[parts.scheme or ""] else parts.port


def _identity(parts: Url) -> str:
    host = parts.host or ""
    if host in LOOPBACK_HOSTS:
        return f"{host}:{parts.port or DEFAULT_PORTS[parts.scheme or '']}"
    bare = host.removeprefix("www.")
    return bare if "." in bare else host  # www.com is a domain of its own


def _is_public_name(host: str) -> bool:
    labels = host.split(".")
    return len(labels) > 1 and labels[-1] not in PRIVATE_SUFFIXES and _TOP_LABEL.fullmatch(labels[-1]) is not None

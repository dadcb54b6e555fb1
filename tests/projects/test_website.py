"""A website is a public domain name, and a return URL is on it in every parser's eyes (S1-S28, U1-U25)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import GatewayError, InvalidUrl, InvalidWebsite
from core.projects.website import HostMismatch, Website, check_return_url, parse_website

EXAMPLE = Website(url="https://example.com", host="example.com")
PLAIN_HTTP = Website(url="http://example.com", host="example.com")

NO_WEBSITE = [
    ("S1", "https://127.0.0.1"),
    ("S2", "https://2130706433"),
    ("S3", "https://0x7f000001"),
    ("S4", "https://0177.0.0.1"),
    ("S5", "https://127.1"),
    ("S6", "https://0"),
    ("S7", "https://localhost"),
    ("S8", "https://[::1]"),
    ("S9", "https://[::]"),
    ("S10", "https://[::ffff:127.0.0.1]"),
    ("S11", "https://[::ffff:7f00:1]"),
    ("S12", "https://[::127.0.0.1]"),
    ("S13", "https://[64:ff9b::7f00:1]"),
    ("S14", "https://[2002:7f00:1::]"),
    ("S15", "https://[fec0::1]"),
    ("S16", "https://[fe80::1%25lo]"),
    ("S17", "https://[fd00::1]"),
    ("S18", "https://[2001:db8::1]"),
    ("S19", "https://169.254.169.254"),
    ("S20", "https://192.0.0.8"),
    ("S21", "https://192.88.99.1"),
    ("S22", "https://224.0.0.1"),
    ("S23", "https://100.64.0.1"),
    ("S24", "https://198.18.0.1"),
    ("S25", "https://240.0.0.1"),
    ("S26", "https://255.255.255.255"),
    ("S27", "https://①②⑦.⓪.⓪.①"),
    ("S28", "https://127。0。0。1"),
    ("S30-file", "file:///etc/passwd"),
    ("S30-ftp", "ftp://example.com"),
    ("S31", "https://user@example.com"),
    ("S33", "https://example.com:99999"),
    ("S33-word", "https://example.com:abc"),
    ("S34", "https:///x"),
    ("S36", "https://example.com\\@127.0.0.1/"),
    ("U21-dot", "https://127.0.0.1."),
    ("U21-bare-ip", "8.8.8.8"),
    ("U21-hex-label", "https://1.2.3.0x4"),
    ("U21-numeric-top", "https://example.123"),
    ("U21-word", "https://intranet"),
    ("U21-empty", ""),
    ("U21-empty-host", "https://"),
    ("U21-blank", " "),
    ("U21-dot-alone", "https://."),
    ("U21-localhost-dot", "https://localhost."),
    ("U21-under-localhost", "https://shop.localhost"),
    ("U21-port", "https://localhost:8080"),
    ("private-local", "https://printer.local"),
    ("private-internal", "https://shop.internal"),
    ("invalid-name", "https://shop.invalid"),
    ("reverse-name", "https://1.0.0.127.in-addr.arpa"),
    ("underscore", "https://my_shop.com"),
    ("hyphen-first", "https://-shop.com"),
    ("hyphen-last", "https://shop-.com"),
    ("empty-label", "https://shop..com"),
    ("first-dot", "https://.example.com"),
    ("two-dots", "https://example.com.."),
    ("long-label", "https://" + "a" * 64 + ".com"),
    ("long-name", "https://" + ".".join(["a" * 60] * 5) + ".com"),
    ("long-url", "https://example.com/" + "x" * 2048),
    ("bad-punycode", "https://xn--a.com"),
    ("star", "https://*.example.com"),
    ("emoji", "https://😀.com"),
    ("script", "javascript:alert(1)"),
    ("one-slash", "https:/example.com"),
    ("no-slash", "https:example.com"),
    ("no-scheme", "//example.com"),
    ("mail", "mailto:shop@example.com"),
    ("port-zero", "https://example.com:0"),
    ("space", "https://exa mple.com"),
    ("line-break", "https://example.com\n"),
    ("surrogate", "https://example\ud800.com"),
]


@pytest.mark.parametrize("url", [pytest.param(url, id=number) for number, url in NO_WEBSITE])
def test_only_a_public_domain_name_is_a_website(url: str) -> None:
    with pytest.raises(InvalidWebsite):
        parse_website(url)


@pytest.mark.parametrize(
    ("url", "host", "normal"),
    [
        pytest.param("https://example.com", "example.com", "https://example.com", id="plain"),
        pytest.param("https://EXAMPLE.com.", "example.com", "https://example.com", id="U23-case-and-dot"),
        pytest.param("https://example.com:443", "example.com", "https://example.com", id="U23-default-port"),
        pytest.param("http://example.com:80/", "example.com", "http://example.com/", id="U23-http-port"),
        pytest.param("https://example.com:8443", "example.com", "https://example.com:8443", id="other-port"),
        pytest.param("https://www.example.com/a", "example.com", "https://www.example.com/a", id="www"),
        pytest.param("https://WWW.Example.com", "example.com", "https://www.example.com", id="WWW"),
        pytest.param("https://www.com", "www.com", "https://www.com", id="www-is-the-name"),
        pytest.param("https://shop.example.com", "shop.example.com", "https://shop.example.com", id="subdomain"),
        pytest.param("example.com", "example.com", "https://example.com", id="bare"),
        pytest.param("example.com:8443/shop", "example.com", "https://example.com:8443/shop", id="bare-port"),
        pytest.param("HTTPS://example.com/A?b=C", "example.com", "https://example.com/A?b=C", id="scheme"),
        pytest.param(
            "https://магазин.рф/кафе",
            "xn--80aairftm.xn--p1ai",
            "https://xn--80aairftm.xn--p1ai/%D0%BA%D0%B0%D1%84%D0%B5",
            id="U23-idna",
        ),
        pytest.param("https://МАГАЗИН.РФ", "xn--80aairftm.xn--p1ai", "https://xn--80aairftm.xn--p1ai", id="upper"),
        pytest.param("https://straße.de", "xn--strae-oqa.de", "https://xn--strae-oqa.de", id="idna-2008"),
        pytest.param("https://shop.example", "shop.example", "https://shop.example", id="documentation"),
    ],
)
def test_u23_identity_is_the_host_however_it_is_written(url: str, host: str, normal: str) -> None:
    assert parse_website(url) == Website(url=normal, host=host)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:8092", "127.0.0.1:8092"),
        ("http://127.0.0.1:8092/shop", "127.0.0.1:8092"),
        ("http://localhost:3000", "localhost:3000"),
        ("http://localhost", "localhost:80"),
        ("https://example.com:8443", "example.com"),
    ],
)
def test_the_development_setting_admits_loopback_with_its_port(url: str, host: str) -> None:
    assert parse_website(url, allow_loopback=True).host == host


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://127.0.0.2", "http://127.1", "http://shop", "http://[::1]"])
def test_the_development_setting_admits_nothing_else(url: str) -> None:
    with pytest.raises(InvalidWebsite):
        parse_website(url, allow_loopback=True)


RETURN_URLS_REFUSED: list[tuple[str, str, type[GatewayError]]] = [
    ("U1", "https://example.com@evil.com/", HostMismatch),
    ("U2", "https://evil.com#@example.com", HostMismatch),
    ("U3", "https://evil.com?@example.com", HostMismatch),
    ("U4", "https://evil.com\\@example.com/", InvalidUrl),
    ("U5", "https://example.com\\.evil.com/", InvalidUrl),
    ("U6", "https://exam\tple.com/", InvalidUrl),
    ("U7", "https://example.com\r\n/x", InvalidUrl),
    ("U7-path", "https://example.com/x\r\nSet-Cookie: a=b", InvalidUrl),
    ("U8", " https://example.com/", InvalidUrl),
    ("U8-after", "https://example.com/ ", InvalidUrl),
    ("U9", "https://example.com%2eevil.com/", InvalidUrl),
    ("U10", "https://example.com%00.evil.com/", InvalidUrl),
    ("U11", "https://example.com.evil.com/", HostMismatch),
    ("U11-suffix", "https://evilexample.com/", HostMismatch),
    ("U12", "https://[evil", InvalidUrl),
    ("U13", "https://example.com:99999/", InvalidUrl),
    ("U13-word", "https://example.com:abc/", InvalidUrl),
    ("U14", "https://user:pw@example.com/", InvalidUrl),
    ("U14-empty", "https://@example.com/", InvalidUrl),
    ("U15", "//example.com/x", InvalidUrl),
    ("U16", "javascript://example.com/%0aalert(1)", InvalidUrl),
    ("U17", "https:/example.com", InvalidUrl),
    ("U18", "https:example.com", InvalidUrl),
    ("U18-bare", "example.com/x", InvalidUrl),
    ("U19", "https://ｅxample.com/", InvalidUrl),
    ("U20", "https://example。com/", InvalidUrl),
    ("U24", "http://example.com/ok", InvalidUrl),
    ("U25", "https://shop.example.com/ok", HostMismatch),
    ("ip", "https://127.0.0.1/", HostMismatch),
    ("ipv6", "https://[::1]/", HostMismatch),
    ("empty", "", InvalidUrl),
    ("data", "data:text/html,x", InvalidUrl),
    ("semicolon", "https://example.com;evil.com/", InvalidUrl),
    ("soft-hyphen", "https://exam\u00adple.com/", InvalidUrl),
    ("no-break-space", "https://example.com\u00a0/", InvalidUrl),
    ("line-separator", "https://example.com/\u2028", InvalidUrl),
    ("long", "https://example.com/" + "x" * 2048, InvalidUrl),
    ("long-when-escaped", "https://example.com/" + "я" * 1000, InvalidUrl),
]


@pytest.mark.parametrize(("url", "error"), [pytest.param(*case[1:], id=case[0]) for case in RETURN_URLS_REFUSED])
def test_a_return_url_off_the_website_is_refused(url: str, error: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as caught:
        check_return_url(url, website=EXAMPLE, allow_http=False)

    assert type(caught.value) is error
    assert caught.value.http_status == 422


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        pytest.param("https://example.com/ok", "https://example.com/ok", id="plain"),
        pytest.param("https://example.com", "https://example.com", id="no-path"),
        pytest.param("https://www.example.com/ok", "https://www.example.com/ok", id="U25-www"),
        pytest.param("https://EXAMPLE.com./ok", "https://example.com/ok", id="case-and-dot"),
        pytest.param("https://example.com:443/ok", "https://example.com/ok", id="default-port"),
        pytest.param("https://example.com:8443/ok", "https://example.com:8443/ok", id="another-port"),
        pytest.param("https://example.com/a/../b", "https://example.com/b", id="dot-segments"),
        pytest.param("https://example.com//evil.com", "https://example.com//evil.com", id="two-slashes"),
        pytest.param("https://example.com/?q=a@b#c", "https://example.com/?q=a@b#c", id="at-in-query"),
        pytest.param("https://example.com/заказ", "https://example.com/%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7", id="non-ascii"),
        pytest.param('https://example.com/"><b>', "https://example.com/%22%3E%3Cb%3E", id="markup"),
    ],
)
def test_a_return_url_on_the_website_is_normalised(url: str, normal: str) -> None:
    assert check_return_url(url, website=EXAMPLE, allow_http=False) == normal


def test_u24_http_is_allowed_in_test_mode_and_for_an_http_website() -> None:
    assert check_return_url("http://example.com/ok", website=EXAMPLE, allow_http=True) == "http://example.com/ok"
    assert check_return_url("http://example.com/ok", website=PLAIN_HTTP) == "http://example.com/ok"
    assert check_return_url("https://example.com/ok", website=PLAIN_HTTP) == "https://example.com/ok"


def test_u25_subdomains_are_accepted_with_the_setting_alone() -> None:
    url = "https://shop.example.com/ok"

    assert check_return_url(url, website=EXAMPLE, allow_subdomains=True) == url
    with pytest.raises(HostMismatch):
        check_return_url("https://evilexample.com/", website=EXAMPLE, allow_subdomains=True)


def test_a_loopback_website_takes_return_urls_on_its_own_port_alone() -> None:
    shop = parse_website("http://127.0.0.1:8092", allow_loopback=True)

    assert check_return_url("http://127.0.0.1:8092/thanks", website=shop) == "http://127.0.0.1:8092/thanks"
    with pytest.raises(HostMismatch):
        check_return_url("http://127.0.0.1:8093/thanks", website=shop)
    with pytest.raises(HostMismatch):
        check_return_url("http://localhost:8092/thanks", website=shop)


hostile = st.one_of(
    st.text(),
    st.from_regex(r"https?://.*", fullmatch=True),
    st.text("exampl.cwtvi[]:/?#@\\%0d\t\n2e-_。ｅ١é😀\ud800", max_size=30).map("https://".__add__),
    st.builds("https://{}example.com{}".format, st.text(max_size=5), st.text(max_size=5)),
)


@given(hostile, st.booleans())
def test_z3_any_text_is_a_website_or_a_gateway_error(url: str, allow_loopback: bool) -> None:
    try:
        website = parse_website(url, allow_loopback=allow_loopback)
    except GatewayError as error:
        assert type(error) is InvalidWebsite
        return

    assert parse_website(website.url, allow_loopback=allow_loopback) == website
    assert website.host.isascii()


@given(hostile, st.booleans())
def test_z3_an_accepted_return_url_has_the_same_host_for_another_parser(url: str, allow_subdomains: bool) -> None:
    try:
        normal = check_return_url(url, website=EXAMPLE, allow_http=True, allow_subdomains=allow_subdomains)
    except GatewayError:
        return

    host = urlsplit(normal).hostname or ""
    assert host.removeprefix("www.") == "example.com" or (allow_subdomains and host.endswith(".example.com"))
    assert check_return_url(normal, website=EXAMPLE, allow_http=True, allow_subdomains=allow_subdomains) == normal

"""The egress rules, pure: how a URL is read and which addresses count as public."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.egress import (
    DENIED_IPV4, DENIED_IPV6, Target, addresses_of, are_allowed, is_denied, parse_target, require_public,
    require_public_form,
)
from core.errors import EgressBlocked

DENIED = {
    "S1": "127.0.0.1", "S6": "0.0.0.0", "S8": "::1", "S9": "::", "S10": "::ffff:127.0.0.1", "S11": "::ffff:7f00:1",
    "S12": "::127.0.0.1", "S13": "64:ff9b::7f00:1", "S14": "2002:7f00:1::", "S15": "fec0::1", "S16": "fe80::1",
    "S16 zone": "fe80::1%lo", "S17": "fd00::1", "S18": "2001:db8::1", "S19": "169.254.169.254", "S20": "192.0.0.8",
    "S21": "192.88.99.1", "S22": "224.0.0.1", "S23": "100.64.0.1", "S24": "198.18.0.1", "S25": "240.0.0.1",
    "S26": "255.255.255.255", "10/8": "10.1.2.3", "172.16/12": "172.31.255.255", "192.168/16": "192.168.0.1",
    "192.0.2/24": "192.0.2.1", "192.31.196/24": "192.31.196.1", "192.52.193/24": "192.52.193.1",
    "192.175.48/24": "192.175.48.1", "198.51.100/24": "198.51.100.7", "203.0.113/24": "203.0.113.9",
    "Teredo": "2001:0:4136:e378::1", "ORCHID": "2001:20::1", "3fff::/20": "3fff::1", "multicast": "ff02::1",
    "local NAT64": "64:ff9b:1::1", "above 2000::/3": "4000::1", "mapped private": "::ffff:10.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
}
PERMITTED = [
    "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.63.255.255", "100.128.0.1", "11.0.0.1", "223.255.255.255",
    "198.17.255.255", "198.20.0.1", "2606:4700::1111", "2a00:1450:4001::1", "2400:cb00::1", "::ffff:1.1.1.1",
]
REFUSED_FORMS = {
    "S16": "https://[fe80::1%25lo]/",
    "S27": "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "S28": "https://127\u30020\u30020\u30021/",
    "S30 file": "file:///etc/passwd", "S30 gopher": "gopher://example.com/", "S30 ftp": "ftp://example.com/",
    "S31": "https://user@example.com/", "S31 password": "https://user:pw@example.com/",
    "S33 99999": "https://example.com:99999/", "S33 abc": "https://example.com:abc/",
    "S33 minus": "https://example.com:-1/", "S33 full-width": "https://example.com:\uff18\uff10/",
    "S34": "http:///x", "S34 https": "https:///x", "S34 no slashes": "https:example.com",
    "S34 one slash": "https:/example.com", "S34 no scheme": "//example.com/",
    "S36": "https://host\\@127.0.0.1/", "S36 backslash in path": "https://host\\.example.com/",
    "S38 tab": "https://exam\tple.com/", "S38 CR": "https://exam\rple.com/", "S38 LF": "https://exam\nple.com/",
    "S38 CRLF in path": "https://example.com/\r\nHost: x", "S38 NUL": "https://example.com\0.evil.com/",
    "blank before": " https://example.com/", "line end after": "https://example.com/\n",
    "no-break space": "https://example.com/\u00a0", "U+0085": "https://example.com/\u0085",
    "percent in host": "https://example.com%2eevil.com/", "percent NUL in host": "https://example.com%00.evil.com/",
    "broken brackets": "https://[evil/", "text after brackets": "https://[::1]evil/",
    "IPv4 in brackets": "https://[127.0.0.1]/", "future literal": "https://[v1.x]/", "two ports": "https://a:1:2/",
    "empty label": "https://example..com/", "only a dot": "https://./", "label ends in a hyphen": "https://a-.com/",
    "label too long": "https://" + "a" * 64 + ".com/", "host too long": "https://" + "a." * 130 + "com/",
    "URL too long": "https://example.com/" + "a" * 2048, "surrogate": "https://example.com/\ud800",
    "quote in host": "https://exam'ple.com/", "empty": "", "words": "hello",
}
LITERALS = {
    "S1": "127.0.0.1", "S2": "2130706433", "S3": "0x7f000001", "S4": "0177.0.0.1", "S5": "127.1", "S6": "0",
    "S8": "[::1]", "S9": "[::]", "S10": "[::ffff:127.0.0.1]", "S11": "[::ffff:7f00:1]", "S12": "[::127.0.0.1]",
    "S13": "[64:ff9b::7f00:1]", "S14": "[2002:7f00:1::]", "S15": "[fec0::1]", "S17": "[fd00::1]",
    "S18": "[2001:db8::1]", "S19": "169.254.169.254", "S20": "192.0.0.8", "S21": "192.88.99.1", "S22": "224.0.0.1",
    "S23": "100.64.0.1", "S24": "198.18.0.1", "S25": "240.0.0.1", "S26": "255.255.255.255", "S35": "1.1.1.1",
    "S35 IPv6": "[2606:4700::1111]", "final dot": "127.0.0.1.", "capital 0X": "0X7F.1", "five numbers": "1.2.3.4.5",
}


def text_of(blocked):
    return blocked.value.sentence


@pytest.mark.parametrize("address", DENIED.values(), ids=DENIED.keys())
def test_an_address_that_is_not_somebodys_public_one_is_denied(address):
    assert is_denied(ip_address(address))


@pytest.mark.parametrize("address", PERMITTED)
def test_a_public_address_is_permitted(address):
    assert not is_denied(ip_address(address))


@pytest.mark.parametrize("network", DENIED_IPV4 + DENIED_IPV6, ids=str)
def test_a_denied_network_is_denied_from_its_first_to_its_last_address(network):
    assert is_denied(network[0])
    assert is_denied(network[-1])


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_is_judged_the_same_when_written_as_ipv6(address):
    mapped = ip_address(f"::ffff:{address}")

    assert is_denied(mapped) == is_denied(address)
    assert addresses_of([str(mapped)]) == [address]


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_outside_the_public_block_is_permitted(address):
    assert is_denied(address) or address in ip_network("2000::/3") or address.ipv4_mapped is not None


@pytest.mark.parametrize("addresses", [
    ["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"], ["1.1.1.1"] * 9 + ["::1"], ["2606:4700::1111", "::ffff:7f00:1"],
    [],
], ids=["last", "first", "tenth", "mapped", "none at all"])
def test_s39_one_bad_answer_blocks_all(addresses):
    with pytest.raises(EgressBlocked):
        require_public(addresses_of(addresses))


def test_a_blocked_address_is_not_repeated_to_the_merchant():
    with pytest.raises(EgressBlocked) as blocked:
        require_public(addresses_of(["10.11.12.13"]))

    assert "10.11.12.13" not in text_of(blocked)


@pytest.mark.parametrize("texts", [["intranet"], [""], ["1.1.1.1", "127.1"], ["0x7f.1"], ["::1%"]])
def test_a_resolver_that_returns_no_address_blocks(texts):
    with pytest.raises(EgressBlocked):
        addresses_of(texts)


@pytest.mark.parametrize(("addresses", "allowed"), [
    (["127.0.0.2"], True), (["::ffff:127.0.0.2"], True), (["127.0.0.1"], False), (["127.0.0.2", "127.0.0.1"], False),
    (["127.0.0.2", "1.1.1.1"], False), (["127.0.0.2", "fd00::5"], True), (["fd01::5"], False), ([], False),
])
def test_s53_the_allowance_covers_a_name_only_with_all_its_addresses(addresses, allowed):
    allow = (ip_network("127.0.0.2/32"), ip_network("fd00::/64"))

    assert are_allowed(addresses_of(addresses), allow) is allowed


@pytest.mark.parametrize("url", REFUSED_FORMS.values(), ids=REFUSED_FORMS.keys())
def test_a_url_that_two_readers_could_read_differently_is_refused(url):
    with pytest.raises(EgressBlocked) as blocked:
        parse_target(url)

    assert text_of(blocked).endswith(".")


@pytest.mark.parametrize("host", LITERALS.values(), ids=LITERALS.keys())
def test_an_address_in_any_spelling_is_no_name(host):
    target = parse_target(f"https://{host}/")

    assert target.is_literal
    with pytest.raises(EgressBlocked, match="domain name"):
        require_public_form(target)


@pytest.mark.parametrize(("url", "words"), [
    ("http://example.com/", "https://"), ("https://example.com:22/", "port"), ("https://example.com:8443/", "port"),
    ("https://example.com:0/", "port"), ("https://example.com:80/", "port"),
], ids=["S29", "S32", "8443 without the setting", "port 0", "port 80"])
def test_scheme_and_port_must_be_those_of_https(url, words):
    with pytest.raises(EgressBlocked, match=words):
        require_public_form(parse_target(url))


def test_a_further_port_is_open_by_setting_only():
    require_public_form(parse_target("https://example.com:8443/"), extra_ports=frozenset({8443}))


@pytest.mark.parametrize(("url", "target"), [
    ("https://example.com", Target("https", "example.com", 443, "/", False)),
    ("HTTPS://EXAMPLE.com.:443/a/../b?x=1&y=2#z", Target("https", "example.com", 443, "/b?x=1&y=2", False)),
    ("https://example.com:/hook", Target("https", "example.com", 443, "/hook", False)),
    ("https://b\u00fccher.example/\u00e4", Target("https", "xn--bcher-kva.example", 443, "/%C3%A4", False)),
    ("https://example.com?a=@b", Target("https", "example.com", 443, "/?a=@b", False)),
    ("https://my_shop.example/", Target("https", "my_shop.example", 443, "/", False)),
    ("https://127.0.0.1#@example.com/", Target("https", "127.0.0.1", 443, "/", True)),
    ("https://example.com#@127.0.0.1/", Target("https", "example.com", 443, "/", False)),
    ("http://[::1]:8080/x", Target("http", "::1", 8080, "/x", True)),
    ("https://4chan.example/", Target("https", "4chan.example", 443, "/", False)),
], ids=["bare", "capitals, final dot, port", "empty port", "international", "at sign in the query", "underscore",
        "S37", "at sign after a fragment", "IPv6", "digits in a name"])
def test_an_honest_url_is_read_once_and_exactly(url, target):
    assert parse_target(url) == target


@pytest.mark.parametrize(("url", "header"), [
    ("https://example.com/", "example.com"), ("https://example.com:8443/", "example.com:8443"),
    ("http://example.com/", "example.com"), ("http://[::1]:8080/", "[::1]:8080"), ("https://[::1]/", "[::1]"),
])
def test_the_host_header_names_host_and_unusual_port(url, header):
    assert parse_target(url).host_header == header


@given(st.text() | st.text("htps:/@[]%#?.0123456789abxf\\ \t\uff10\u3002").map(lambda tail: "https://" + tail))
def test_z3_no_text_raises_anything_but_blocked_and_none_hides_a_host(url):
    try:
        target = parse_target(url)
    except EgressBlocked:
        return
    assert target.host.isascii()
    assert not set(target.host) & set("@%\\/?# \t[]")
    assert target.path.isascii()

"""The node client: every row of the answers table is classified, and nothing is concluded from a bad answer."""

import gzip
import json
import threading
from datetime import UTC, datetime

import pytest

from core.chain import wire
from core.chain.addresses import parse_address
from core.chain.decode import BlockInconsistent
from core.chain.failures import FailureKind as Kind
from core.chain.failures import NodeFailure
from core.chain.node import Heights, HttpNode
from core.clock import ManualClock, SystemClock
from core.errors import MisconfiguredHub, NodeUnavailable, WrongNetwork
from tests.chain.scripted import Reply, closed_port, scripted_node

INFOS = "/walletsolidity/gettransactioninfobyblocknum"
SOLID_BLOCK, FULL_BLOCK = "/walletsolidity/getblock", "/wallet/getblock"
SOLID_GENESIS, FULL_GENESIS = "/walletsolidity/getblockbynum", "/wallet/getblockbynum"
USDT = parse_address("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")
COMPUTING = {"Error": "class java.lang.IllegalAccessException : lack of computing resources"}
NULL_POINTER = {"Error": "class java.lang.NullPointerException : null"}
LITE = b"this API is closed because this node is a lite fullnode"
FREQUENCY = b"The key exceeds the frequency limit(15), and the query server is suspended for 30s"
DAILY = b'{"Error":"Exceed the user daily usage (100000)"}'
DEEP = b'{"blockID":' + b"[" * 30_000 + b"]" * 30_000 + b"}"


class Waits:
    """Waits by moving the clock, and remembers how long."""

    def __init__(self, clock):
        self.clock = clock
        self.seconds = []

    def __call__(self, seconds):
        self.seconds.append(seconds)
        self.clock.advance(seconds=seconds)


@pytest.fixture
def scripted():
    with scripted_node() as node:
        yield node


@pytest.fixture
def clock():
    return ManualClock(datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
def waits(clock):
    return Waits(clock)


@pytest.fixture
def node(scripted, clock, waits):
    client = HttpNode(scripted.url, clock=clock, wait=waits, timeout=(0.5, 0.5))
    yield client
    client.close()


def block(height, *, block_id=None, root="ab" * 32, time_ms=1_777_445_121_000):
    raw = {"number": height, "txTrieRoot": root, "witness_address": "41" + "00" * 20, "parentHash": "cd" * 32,
           "version": 34, "timestamp": time_ms}
    if height == 0:
        del raw["number"]
    return {"blockID": block_id or f"{height:016x}" + "ef" * 24,
            "block_header": {"raw_data": raw, "witness_signature": "00"}}


REFUSALS = [
    ("200 lack of computing resources, T30", Reply(json.dumps(COMPUTING).encode()), Kind.RATE_LIMITED, 3),
    ("200 other Error", Reply(json.dumps(NULL_POINTER).encode()), Kind.NODE_ERROR, 1),
    ("200 Error that is no text", Reply(b'{"Error":null}'), Kind.NODE_ERROR, 1),
    ("200 lite node, T31", Reply(LITE), Kind.LITE_NODE, 1),
    ("404 unavailable due to config", Reply(b'{"Error":"this API is unavailable due to config"}', 404),
     Kind.DISABLED, 1),
    ("404 wrong port", Reply(b"<html>404</html>", 404), Kind.DISABLED, 1),
    ("413", Reply(b"too large", 413), Kind.REQUEST_TOO_LARGE, 1),
    ("429, T31", Reply(b"slow down", 429), Kind.RATE_LIMITED, 3),
    ("403 frequency, T31", Reply(FREQUENCY, 403), Kind.KEY_SUSPENDED, 1),
    ("403 daily, T31", Reply(DAILY, 403), Kind.DAILY_QUOTA, 1),
    ("403 other", Reply(b"go away", 403), Kind.BAD_STATUS, 1),
    ("500", Reply(b"oops", 500), Kind.BAD_GATEWAY, 3),
    ("502 HTML, T31", Reply(b"<html>Bad Gateway</html>", 502), Kind.BAD_GATEWAY, 3),
    ("503, T31", Reply(b"busy", 503), Kind.BAD_GATEWAY, 3),
    ("504", Reply(b"late", 504), Kind.BAD_GATEWAY, 3),
    ("302 is not followed", Reply(b"", 302, {"Location": "/wallet/getblock"}), Kind.BAD_STATUS, 1),
    ("200 HTML", Reply(b"<html>hello</html>"), Kind.NOT_JSON, 1),
    ("200 other text", Reply(b"pong"), Kind.NOT_JSON, 1),
    ("200 trailing garbage", Reply(b"[] x"), Kind.NOT_JSON, 1),
    ("200 invalid UTF-8", Reply(b'[{"id":"\xff"}]'), Kind.NOT_JSON, 1),
    ("200 truncated JSON, T31", Reply(b'[{"id":"ab'), Kind.TRUNCATED, 3),
    ("200 nothing", Reply(b""), Kind.TRUNCATED, 3),
    ("body cut short of Content-Length", Reply(b"[]" + b" " * 50, cut=10), Kind.TRUNCATED, 3),
    ("chunked body cut short", Reply(b"[]" + b" " * 50, cut=10, chunked=True), Kind.TRUNCATED, 3),
    ("body that only claims to be gzip", Reply(b"[]", headers={"Content-Encoding": "gzip"}), Kind.TRUNCATED, 3),
    ("object instead of list", Reply(b"{}"), Kind.WRONG_SHAPE, 1),
    ("list of numbers", Reply(b"[1]"), Kind.WRONG_SHAPE, 1),
    ("info without id", Reply(b"[{}]"), Kind.WRONG_SHAPE, 1),
    ("info with null", Reply(b'[{"id":"ab","log":null}]'), Kind.WRONG_SHAPE, 1),
    ("height as text", Reply(b'[{"id":"ab","blockNumber":"7"}]'), Kind.WRONG_SHAPE, 1),
    ("height of 5,000 digits", Reply(b'[{"id":"ab","blockNumber":' + b"9" * 5000 + b"}]"), Kind.WRONG_SHAPE, 1),
    ("null", Reply(b"null"), Kind.WRONG_SHAPE, 1),
    ("no answer within the read timeout, T31", Reply(b"[]", hang_s=5), Kind.TIMEOUT, 3),
]


@pytest.mark.parametrize(("reply", "kind", "tries"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_every_unusable_answer_is_named_and_retried_only_where_that_helps(scripted, clock, waits, reply, kind, tries):
    scripted.answer(INFOS, reply)
    client = HttpNode(scripted.url, clock=clock, wait=waits, timeout=(0.5, 0.1))

    with pytest.raises(NodeFailure) as failure:
        client.solid_infos(7)
    client.close()

    assert (failure.value.kind, len(scripted.asked)) == (kind, tries)
    assert isinstance(failure.value, NodeUnavailable)


def test_a_deeply_nested_answer_is_not_json_and_no_crash(scripted, node):
    scripted.answer(SOLID_BLOCK, DEEP)

    with pytest.raises(NodeFailure) as failure:
        node.solid_header(7)

    assert failure.value.kind in (Kind.NOT_JSON, Kind.WRONG_SHAPE)


@pytest.mark.parametrize("call", ["solid_height", "head_height", "heights", "genesis_id"])
@pytest.mark.parametrize("path", ["getblock", "getnowblock", "getblockbynum"])
def test_an_error_with_status_200_is_never_read_as_a_height_or_an_id(scripted, node, call, path):
    for root in ("wallet", "walletsolidity"):
        for other in ("getblock", "getnowblock", "getblockbynum"):
            scripted.answer(f"/{root}/{other}", NULL_POINTER if other == path else {})

    with pytest.raises(NodeFailure) as failure:
        getattr(node, call)()

    assert failure.value.kind in (Kind.NODE_ERROR, Kind.MISSING)


def test_a_node_that_cannot_be_reached_is_a_connection_failure(clock, waits):
    client = HttpNode(f"http://127.0.0.1:{closed_port()}", clock=clock, wait=waits)

    with pytest.raises(NodeFailure) as failure:
        client.solid_height()

    assert failure.value.kind is Kind.CONNECTION
    assert len(waits.seconds) == 2


def test_an_answer_over_the_limit_is_dropped(scripted, node, monkeypatch):
    monkeypatch.setattr(wire, "ANSWER_LIMIT", 100_000)
    scripted.answer(INFOS, Reply(b"[" + b" " * 200_000 + b"]"))

    with pytest.raises(NodeFailure) as failure:
        node.solid_infos(7)

    assert failure.value.kind is Kind.OVERSIZED


def test_a_packed_bomb_stops_at_the_limit(scripted, node, monkeypatch):
    monkeypatch.setattr(wire, "ANSWER_LIMIT", 100_000)
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    scripted.answer(INFOS, Reply(bomb, headers={"Content-Encoding": "gzip"}))

    with pytest.raises(NodeFailure) as failure:
        node.solid_infos(7)

    assert failure.value.kind is Kind.OVERSIZED


@pytest.mark.parametrize("reply", [
    Reply(b'[{"id":"ab"}]', chunked=True),
    Reply(gzip.compress(b'[{"id":"ab"}]'), headers={"Content-Encoding": "gzip"}),
    Reply(b'[{"id":"ab"}]', headers={"Content-Type": "text/plain"}),
], ids=["chunked", "gzip", "odd content type"])
def test_every_honest_way_of_sending_an_answer_is_read(scripted, node, reply):
    scripted.answer(INFOS, reply)

    assert [info.id for info in node.solid_infos(7)] == ["ab"]


def test_a_transient_failure_is_followed_by_the_answer(scripted, node, waits):
    scripted.answer(INFOS, Reply(b"busy", 503), Reply(b'[{"id":', 200), b'[{"id":"ab"}]')

    infos = node.solid_infos(7)

    assert [info.id for info in infos] == ["ab"]
    assert 0.125 <= waits.seconds[0] <= 0.25 <= waits.seconds[1] <= 0.5


def test_an_unknown_block_is_empty_or_none_and_nothing_more(scripted, node):
    """T28, T29: the scanner decides what to make of it."""
    scripted.answer(INFOS, b"[]")
    scripted.answer(SOLID_BLOCK, b"{}")
    scripted.answer(FULL_BLOCK, b"{}")

    assert node.solid_infos(7) == []
    assert node.solid_header(7) is None
    assert node.head_header(7) is None


def test_calls_go_to_their_own_view_with_the_documented_questions(scripted, node):
    scripted.answer(INFOS, b"[]")
    scripted.answer("/wallet/gettransactioninfobyblocknum", b"[]")
    scripted.answer(SOLID_BLOCK, block(7))
    scripted.answer(FULL_BLOCK, block(7))
    scripted.answer("/wallet/getcontract", {"contract_address": USDT.hex41, "abi": {}, "bytecode": "00"})

    node.solid_infos(7), node.head_infos(7), node.solid_header(7), node.head_header(7), node.contract_exists(USDT)

    assert [(asked.path, asked.question) for asked in scripted.asked] == [
        (INFOS, {"num": 7}),
        ("/wallet/gettransactioninfobyblocknum", {"num": 7}),
        (SOLID_BLOCK, {"id_or_num": "7", "detail": False}),
        (FULL_BLOCK, {"id_or_num": "7", "detail": False}),
        ("/wallet/getcontract", {"value": USDT.hex41}),
    ]


def test_a_header_carries_what_proves_a_block(scripted, node):
    scripted.answer(SOLID_BLOCK, block(7, root="0" * 64))

    header = node.solid_header(7)

    assert (header.height, header.time_ms, header.parent_hash) == (7, 1_777_445_121_000, "cd" * 32)
    assert header.block_id == f"{7:016x}" + "ef" * 24
    assert header.proves_empty


@pytest.mark.parametrize("answer", [
    block(8), block(7, block_id="ab" * 32), block(7, block_id="7"), {"blockID": block(7)["blockID"]},
    {"block_header": block(7)["block_header"]}, block(-7, block_id="00" * 32),
], ids=["another height", "id of another height", "short id", "no header", "no id", "negative height"])
def test_a_header_of_another_block_is_refused(scripted, node, answer):
    scripted.answer(SOLID_BLOCK, answer)

    with pytest.raises(BlockInconsistent):
        node.solid_header(7)


def test_heights_are_read_without_the_transactions(scripted, node):
    scripted.answer(SOLID_BLOCK, block(82))
    scripted.answer(FULL_BLOCK, block(100))

    assert node.heights() == Heights(solid=82, head=100)
    assert [asked.question for asked in scripted.asked] == [{"detail": False}] * 2


def test_heights_fall_back_to_whole_blocks_where_a_node_wants_an_id(scripted, node):
    for path, height in ((SOLID_BLOCK, 82), (FULL_BLOCK, 100)):
        scripted.answer(path, b"{}")
        scripted.answer(path.replace("getblock", "getnowblock"), block(height) | {"transactions": [{"txID": "ab"}]})

    assert node.heights() == Heights(solid=82, head=100)


def test_a_head_behind_the_solid_height_is_lifted_to_it(scripted, node):
    """T32: two machines behind one name answered."""
    scripted.answer(SOLID_BLOCK, block(82))
    scripted.answer(FULL_BLOCK, block(80))

    assert node.heights() == Heights(solid=82, head=82)


def test_the_genesis_is_read_from_both_views(scripted, node):
    scripted.answer(SOLID_GENESIS, block(0))
    scripted.answer(FULL_GENESIS, block(0))

    assert node.genesis_id() == "0" * 16 + "ef" * 24


def test_views_of_two_networks_are_refused(scripted, node):
    """T33: a solid URL of another network would credit its money."""
    scripted.answer(SOLID_GENESIS, block(0))
    scripted.answer(FULL_GENESIS, block(0, block_id="0" * 16 + "aa" * 24))

    with pytest.raises(WrongNetwork):
        node.genesis_id()


@pytest.mark.parametrize(("answer", "exists"), [({"contract_address": USDT.hex41}, True), ({}, False)])
def test_a_contract_exists_only_if_the_node_shows_it(scripted, node, answer, exists):
    scripted.answer("/wallet/getcontract", answer)

    assert node.contract_exists(USDT) is exists


def test_another_contract_than_asked_for_is_refused(scripted, node):
    scripted.answer("/wallet/getcontract", {"contract_address": "41" + "00" * 20})

    with pytest.raises(BlockInconsistent):
        node.contract_exists(USDT)


def test_the_path_of_a_base_url_is_kept_and_views_are_routed_apart(clock, waits):
    with scripted_node() as full, scripted_node() as solid:
        full.answer("/key/v1/wallet/getblock", block(100))
        solid.answer("/solid/walletsolidity/getblock", block(82))
        client = HttpNode(f"{full.url}/key/v1", f"{solid.url}/solid/", clock=clock, wait=waits)

        assert client.heights() == Heights(solid=82, head=100)
        client.close()


@pytest.mark.parametrize("url", [
    "", "127.0.0.1:8090", "ftp://127.0.0.1", "http://", "http:///x", "http://127.0.0.1/?k=1", "http://[::1",
    "http://127.0.0.1:99999", "http://127.0.0.1/#a",
])
def test_a_url_that_is_no_base_url_is_a_clear_configuration_error(clock, url):
    with pytest.raises(MisconfiguredHub, match="URL of the TRON node"):
        HttpNode(url, clock=clock)


def test_the_api_key_travels_in_its_header_and_in_no_error(scripted, clock, waits):
    scripted.answer(INFOS, Reply(b"oops", 400))
    client = HttpNode(scripted.url, api_keys=["not-to-be-shown"], clock=clock, wait=waits)

    with pytest.raises(NodeFailure) as failure:
        client.solid_infos(7)
    client.close()

    assert scripted.asked[0].headers["TRON-PRO-API-KEY"] == "not-to-be-shown"
    assert "not-to-be-shown" not in repr(client) + str(failure.value)


def test_neither_proxies_nor_netrc_of_the_environment_are_used(scripted, node, monkeypatch, tmp_path):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    scripted.answer(INFOS, b"[]")

    assert node.solid_infos(7) == []
    assert "Authorization" not in scripted.asked[0].headers


def test_one_connection_serves_calls_one_after_another(scripted, node):
    scripted.answer(INFOS, b"[]")
    for height in range(1, 6):
        node.solid_infos(height)

    assert len({asked.peer_port for asked in scripted.asked}) == 1


def test_threads_never_share_a_session_and_get_their_own_answers(scripted):
    for height in range(1, 9):
        scripted.answer(f"/{height}/walletsolidity/getblock", block(height))
    scripted.answer(INFOS, b"[]")
    client = HttpNode(scripted.url, clock=SystemClock(), qps=None)
    threads = [threading.Thread(target=lambda: [client.solid_infos(n) for n in range(5)]) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()

    assert len(scripted.asked) == 40
    assert len({asked.peer_port for asked in scripted.asked}) <= 8


def test_requests_keep_to_the_rate(scripted, node, waits):
    scripted.answer(INFOS, b"[]")
    for height in range(1, 41):
        node.solid_infos(height)

    assert sum(waits.seconds) == pytest.approx(32 / 8)  # 8 at once, the other 32 at 8 a second


def test_retry_after_is_honoured_within_patience(scripted, node, waits):
    scripted.answer(INFOS, Reply(b"", 429, {"Retry-After": "4"}), b"[]")

    assert node.solid_infos(7) == []
    assert waits.seconds == [4.0]


@pytest.mark.parametrize(("reply", "kind", "pause_s"), [
    (Reply(b"", 429, {"Retry-After": "40"}), Kind.RATE_LIMITED, 40),
    (Reply(FREQUENCY, 403), Kind.KEY_SUSPENDED, 30),
], ids=["429 with Retry-After", "403 frequency"])
def test_a_long_pause_is_kept_without_asking_and_without_blocking(scripted, node, clock, waits, reply, kind, pause_s):
    scripted.answer(INFOS, reply, b"[]")
    with pytest.raises(NodeFailure) as first:
        node.solid_infos(7)
    with pytest.raises(NodeFailure) as second:
        node.solid_infos(7)

    assert (first.value.kind, first.value.retry_in_s) == (kind, pause_s)
    assert (second.value.kind, second.value.retry_in_s) == (Kind.PAUSED, pause_s)
    assert (len(scripted.asked), waits.seconds) == (1, [])

    clock.advance(seconds=pause_s)
    assert node.solid_infos(7) == []


def test_a_spent_daily_quota_slows_to_one_request_a_second(scripted, node, clock, waits):
    scripted.answer(INFOS, Reply(DAILY, 403), b"[]")
    with pytest.raises(NodeFailure):
        node.solid_infos(7)
    clock.advance(seconds=60)
    for height in range(1, 11):
        node.solid_infos(height)

    assert sum(waits.seconds) == pytest.approx(9, abs=1)


@pytest.mark.parametrize("retry_after", ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "\u0665", "1e9", ""])
def test_a_retry_after_that_is_no_number_is_ignored(scripted, node, retry_after):
    scripted.answer(INFOS, Reply(b"", 429, {"Retry-After": retry_after.encode("utf-8").decode("latin-1")}), b"[]")

    assert node.solid_infos(7) == []


def test_a_node_cannot_silence_us_for_more_than_an_hour(scripted, node):
    scripted.answer(INFOS, Reply(b"", 429, {"Retry-After": "9" * 200}))

    with pytest.raises(NodeFailure) as failure:
        node.solid_infos(7)

    assert failure.value.retry_in_s == 3600


def test_close_ends_a_wait(scripted):
    scripted.answer(INFOS, Reply(b"", 503))
    client = HttpNode(scripted.url, clock=SystemClock())
    client.close()

    with pytest.raises(NodeFailure):
        client.solid_infos(7)


def test_a_node_error_is_shown_without_control_characters(scripted, node):
    scripted.answer(INFOS, {"Error": "bad\n\x1b[31mred" + "x" * 1000})

    with pytest.raises(NodeFailure) as failure:
        node.solid_infos(7)

    assert failure.value.sentence.isprintable()
    assert len(failure.value.sentence) < 400


def test_another_transaction_than_asked_for_is_refused_and_an_unknown_one_is_none(scripted, node):
    scripted.answer("/walletsolidity/gettransactioninfobyid", {}, {"id": "AB" * 32}, {"id": "cd" * 32})

    assert node.solid_info("ab" * 32) is None
    assert node.solid_info("ab" * 32).id == "AB" * 32
    with pytest.raises(BlockInconsistent):
        node.solid_info("ab" * 32)

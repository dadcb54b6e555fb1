"""What a wallet meets when it sends: ids that are not the transaction's, DUPs that mean nothing, silence (D14)."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.devnet import keys, wire
from core.devnet.execution import Code, Rejected
from core.devnet.ledger import Chain
from core.devnet.rules import Rules
from core.devnet.server import DevnetServer
from tests.devnet.conftest import BUYER
from tests.devnet.test_server import Client, client, server

__all__ = ["client", "server"]


@pytest.fixture
def tx(chain: Chain) -> wire.Transaction:
    """Give a signed payment that was not sent."""
    return chain.draft_payment(keys.from_base58(BUYER), 5)


def send(client: Client, tx: wire.Transaction) -> Any:
    return client.post("/wallet/broadcasthex", transaction=tx.to_bytes().hex())[1]


def fail(client: Client, **rule: Any) -> None:
    status, answer = client.post("/devnet/faults", rules=[{"path": "wallet/*"} | rule])
    assert status == 200, answer


def is_known(chain: Chain, tx: wire.Transaction) -> bool:
    chain.advance(1)
    return chain.view(solid=False).transaction(tx.txid) is not None


@pytest.fixture
def impatient(server: DevnetServer) -> Iterator[Client]:
    """Give a client that waits no longer than a tenth of a second."""
    client = Client(server)
    client.http = http.client.HTTPConnection(client.http.host, client.http.port, timeout=0.1)
    yield client
    client.http.close()


@pytest.mark.parametrize(("kind", "is_taken"), [("accept_then_hang", True), ("hang", False)])
def test_t44_a_broadcast_without_an_answer_may_have_been_taken_or_not(
    chain: Chain, client: Client, impatient: Client, tx: wire.Transaction, kind: str, is_taken: bool
) -> None:
    fail(client, kind=kind, times=1, seconds=0.5)

    with pytest.raises(TimeoutError):
        send(impatient, tx)

    again = send(client, tx)
    assert again["code"] == ("DUP_TRANSACTION_ERROR" if is_taken else "SUCCESS")
    assert is_known(chain, tx)


@pytest.mark.parametrize("kind", ["busy", "error", "empty", "unavailable", "bad_gateway"])
def test_a_broadcast_that_failed_before_the_node_read_it_is_not_taken(
    chain: Chain, client: Client, tx: wire.Transaction, kind: str
) -> None:
    fail(client, kind=kind)
    client.http.request("POST", "/wallet/broadcasthex", b'{"transaction":"%s"}' % tx.to_bytes().hex().encode())
    client.http.getresponse().read()

    assert not is_known(chain, tx)


@pytest.mark.parametrize("code", list(Code))
def test_t53_every_refusal_can_be_had(chain: Chain, client: Client, tx: wire.Transaction, code: Code) -> None:
    fail(client, kind="refused", code=str(code))

    answer = send(client, tx)

    assert (answer["result"], answer["code"], answer["txid"]) == (False, code, tx.txid.hex())
    assert answer["message"].endswith(".")
    assert is_known(chain, tx) is (code is Code.NOT_ENOUGH_EFFECTIVE_CONNECTION)


def test_t54_a_node_may_hand_out_another_txid_to_sign(chain: Chain, client: Client, tx: wire.Transaction) -> None:
    document = {"raw_data": wire.raw_to_json(tx.raw)}
    honest = client.post("/wallet/getsignweight", **document)[1]
    fail(client, path="wallet/getsignweight", kind="wrong_txid")

    wrong = client.post("/wallet/getsignweight", **document)[1]["transaction"]

    assert honest["transaction"]["txid"] == tx.txid.hex()
    assert wrong["txid"] == wrong["transaction"]["txID"] != tx.txid.hex()
    assert wrong["transaction"]["raw_data"] == honest["transaction"]["transaction"]["raw_data"]


def test_t48_a_node_that_caches_answers_dup_to_what_it_refused(
    chain: Chain, client: Client, tx: wire.Transaction
) -> None:
    unsigned = replace(tx, signatures=())
    client.post("/devnet/trx-cache", enabled=True)

    answers = [send(client, unsigned)["code"], send(client, unsigned)["code"], send(client, tx)["code"]]

    assert answers == ["SIGERROR", "DUP_TRANSACTION_ERROR", "DUP_TRANSACTION_ERROR"]
    assert not is_known(chain, tx)


def test_the_cache_forgets_after_an_hour_and_when_it_is_switched_off(
    chain: Chain, client: Client, tx: wire.Transaction
) -> None:
    unsigned = replace(tx, signatures=())
    client.post("/devnet/trx-cache", enabled=True)
    send(client, unsigned)
    chain.advance(1, step_ms=3_599_999)
    within = send(client, unsigned)["code"]
    chain.advance(1, step_ms=1)
    after = send(client, unsigned)["code"]

    client.post("/devnet/trx-cache", enabled=False)

    assert (within, after) == ("DUP_TRANSACTION_ERROR", "SIGERROR")
    assert send(client, unsigned)["code"] == "SIGERROR"


def test_a_lagging_backend_shows_a_lower_head(chain: Chain, client: Client) -> None:
    chain.advance(30)
    fail(client, path="wallet*/*", kind="lag", blocks=7, times=2)

    heights = [client.post(f"/{root}/getnowblock")[1]["block_header"]["raw_data"]["number"]
               for root in ("wallet", "walletsolidity", "wallet")]

    assert heights == [chain.head_height - 7, chain.solid_height - 7, chain.head_height]


def test_a_node_may_refuse_while_too_much_is_unsolidified(chain: Chain) -> None:
    careful = Chain.open(None, clock=chain.clock, rules=Rules(max_unsolid_blocks=54))
    careful.advance(60)
    careful.stall_solid()
    careful.advance(35)
    careful.pay(BUYER, 5)
    careful.advance(1)

    with pytest.raises(Rejected, match="BLOCK_UNSOLIDIFIED"):
        careful.pay(BUYER, 5)
    careful.close()

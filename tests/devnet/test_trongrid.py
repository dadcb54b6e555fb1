"""TronGrid's list of an account's token transfers (D1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from core.devnet import keys
from core.devnet.ledger import Chain
from tests.devnet.conftest import BUYER
from tests.devnet.test_server import Client, client, server

__all__ = ["client", "server"]
OTHER = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"


def listing(client: Client, account: str = BUYER, **query: Any) -> Any:
    status, answer = client.send("GET", f"/v1/accounts/{account}/transactions/trc20?{urlencode(query)}")
    assert (status, answer["success"]) == (200, True), answer
    return answer


def values(answer: Any) -> list[int]:
    return [int(entry["value"]) for entry in answer["data"]]


@pytest.fixture
def history(chain: Chain) -> list[int]:
    """Give the buyer five final payments and one that is not, among others' and worthless ones."""
    for units in (1, 2, 3, 4, 5):
        chain.pay(BUYER, units)
        chain.pay(OTHER, 100 + units)
        chain.advance(1)
    chain.failed_transfer(BUYER, 77, "out_of_time")
    chain.fake_transfer(BUYER, 88)
    chain.faucet_trx(BUYER, 99)
    chain.advance(19)
    chain.pay(BUYER, 6)
    chain.advance(1)
    return [1, 2, 3, 4, 5]


def test_an_entry_has_the_documented_shape(client: Client, chain: Chain) -> None:
    txid = chain.pay(BUYER, 1_500_000)
    chain.advance(1)

    answer = listing(client)

    assert answer["data"] == [{
        "transaction_id": txid,
        "token_info": {"symbol": "USDT", "address": chain.usdt_address, "decimals": 6, "name": "Tether USD"},
        "block_timestamp": chain.head.timestamp_ms, "from": chain.wallet_address, "to": BUYER, "type": "Transfer",
        "value": "1500000",
    }]
    assert set(answer["meta"]) == {"at", "page_size"}


def test_confirmed_transfers_of_the_real_token_oldest_first(
    client: Client, chain: Chain, history: list[int]
) -> None:
    query = {"only_confirmed": "true", "only_to": "true", "contract_address": chain.usdt_address,
             "order_by": "block_timestamp,asc"}

    assert values(listing(client, **query)) == history


def test_without_a_contract_the_look_alike_is_listed_too(client: Client, chain: Chain, history: list[int]) -> None:
    answer = listing(client)

    assert values(answer) == [6, 88, 5, 4, 3, 2, 1]
    assert {entry["token_info"]["symbol"] for entry in answer["data"]} == {"USDT"}
    assert {entry["token_info"]["address"] for entry in answer["data"]} == {
        chain.usdt_address, chain.fake_usdt_address
    }


def test_unconfirmed_only(client: Client, history: list[int]) -> None:
    assert values(listing(client, only_unconfirmed="true")) == [6]


def test_the_payer_sees_what_it_sent(client: Client, chain: Chain, history: list[int]) -> None:
    sent = listing(client, chain.wallet_address, only_from="true", limit=200)

    assert len(sent["data"]) == 11
    assert values(listing(client, chain.wallet_address, only_to="true")) == []


def test_pages_follow_each_other_without_gap_or_double(client: Client, history: list[int]) -> None:
    answer = listing(client, limit=3, order_by="block_timestamp,asc")
    pages = [values(answer)]
    while "fingerprint" in answer["meta"]:
        link = urlsplit(answer["meta"]["links"]["next"])
        answer = client.send("GET", f"{link.path}?{link.query}")[1]
        pages.append(values(answer))

    assert pages == [[1, 2, 3], [4, 5, 88], [6]]


def test_a_fingerprint_of_another_query_is_refused(client: Client, history: list[int]) -> None:
    fingerprint = listing(client, limit=3)["meta"]["fingerprint"]

    status, answer = client.send(
        "GET", f"/v1/accounts/{BUYER}/transactions/trc20?limit=2&fingerprint={fingerprint}"
    )

    assert (status, answer["success"], answer["statusCode"]) == (400, False, 400)


def test_times_bound_the_list_inclusively(client: Client, chain: Chain, history: list[int]) -> None:
    times = [chain.block(height)[0].timestamp_ms for height in (3, 5)]

    answer = listing(client, min_timestamp=times[0], max_timestamp=times[1], order_by="block_timestamp,asc")

    assert values(answer) == [2, 3, 4]


def test_two_equal_transfers_of_one_transaction_cannot_be_told_apart(client: Client, chain: Chain) -> None:
    chain.route("route(address,uint256,uint256)", bytes(12) + keys.from_base58(BUYER)[1:], (9).to_bytes(32),
                (2).to_bytes(32))
    chain.advance(2)

    first, second = listing(client)["data"]

    assert first == second


@pytest.mark.parametrize(("path", "status"), [
    ("accounts/nonsense/transactions/trc20", 400), (f"accounts/{BUYER}/transactions/trc20?limit=201", 400),
    (f"accounts/{BUYER}/transactions/trc20?order_by=value,asc", 400), (f"accounts/{BUYER}/transactions", 404),
])
def test_what_makes_no_sense_is_an_error_in_trongrids_words(client: Client, path: str, status: int) -> None:
    got, answer = client.send("GET", f"/v1/{path}")

    assert (got, answer["success"], answer["statusCode"]) == (status, False, status)


def test_a_quota_error_comes_in_trongrids_words(client: Client) -> None:
    client.post("/devnet/faults", rules=[{"path": "v1/*", "kind": "daily"}])

    status, answer = client.send("GET", f"/v1/accounts/{BUYER}/transactions/trc20")

    assert (status, answer["success"], answer["statusCode"]) == (403, False, 403)
    assert "daily usage" in answer["error"]


def test_a_lie_is_told_here_too(client: Client, history: list[int], chain: Chain) -> None:
    newest = listing(client)["data"][0]["transaction_id"]
    client.post("/devnet/vanish", txid=newest)
    client.post("/devnet/forge", to=BUYER, units=55, height=chain.head_height)

    assert values(listing(client))[:2] == [55, 88]

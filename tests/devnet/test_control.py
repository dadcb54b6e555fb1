"""The devnet's own calls under /devnet."""

from __future__ import annotations

from typing import Any

import pytest

from core.devnet import keys
from core.devnet.ledger import Chain
from tests.devnet.conftest import BUYER
from tests.devnet.test_server import Client, client, server

__all__ = ["client", "server"]
BIG = 10**30


def test_status_describes_the_chain(client: Client, chain: Chain) -> None:
    status, answer = client.send("GET", "/devnet/status")

    assert status == 200
    assert answer == {
        "genesis_id": chain.genesis_id, "head": 1, "solid": 0, "head_time_ms": chain.head.timestamp_ms,
        "pending": 0, "block_interval_s": 3.0, "witnesses": 27, "missing_witnesses": [],
        "usdt_contract": chain.usdt_address,
        "fake_usdt_contract": chain.fake_usdt_address, "burner_contract": chain.burner_address,
        "router_contract": chain.router_address,
        "wallet": {"address": chain.wallet_address, "usdt_units": 10**12, "trx_sun": 10**14},
    }  # fmt: skip


def test_wallet_gives_the_key_of_its_address(client: Client) -> None:
    answer = client.send("GET", "/devnet/wallet")[1]

    assert keys.to_base58(keys.address_of(bytes.fromhex(answer["private_key"]))) == answer["address"]


def test_pay_and_advance(client: Client, chain: Chain) -> None:
    status, paid = client.post("/devnet/pay", to=BUYER, units=1_500_000)
    advanced = client.post("/devnet/advance", blocks=20)[1]

    assert (status, paid["ok"]) == (200, True)
    assert advanced == {"ok": True, "head": 21, "solid": 3}
    info = client.post("/walletsolidity/gettransactioninfobyid", value=paid["txid"])[1]
    assert info["receipt"]["result"] == "SUCCESS"
    assert chain.balance_of(BUYER) == 1_500_000


def test_advance_can_leave_time_almost_still(client: Client, chain: Chain) -> None:
    before = chain.head.timestamp_ms

    client.post("/devnet/advance", blocks=20, step_ms=1)

    assert chain.head.timestamp_ms == before + 20


def test_witnesses_can_be_sent_away_and_brought_back(client: Client, chain: Chain) -> None:
    client.post("/devnet/advance", blocks=60)
    away = client.post("/devnet/witnesses", missing=list(range(9)))[1]
    client.post("/devnet/advance", blocks=60)
    stood = client.send("GET", "/devnet/status")[1]

    client.post("/devnet/witnesses", missing=[])
    client.post("/devnet/advance", blocks=60)

    assert (away["missing"], stood["missing_witnesses"]) == (list(range(9)), list(range(9)))
    assert stood["head"] - stood["solid"] > 50
    assert chain.head_height - chain.solid_height == 18


def called(client: Client, function: str) -> int:
    """Read a number from the USDT contract."""
    usdt = client.send("GET", "/devnet/status")[1]["usdt_contract"]
    answer = client.post("/wallet/triggerconstantcontract", owner_address=usdt, contract_address=usdt, visible=True,
                         function_selector=function)[1]
    return int(answer["constant_result"][0], 16)


def test_the_token_can_be_paused_and_paused_transfers_fail(client: Client, chain: Chain) -> None:
    client.post("/devnet/token", call="pause")
    chain.advance(1)
    paid = client.post("/devnet/pay", to=BUYER, units=5)[1]["txid"]
    client.post("/devnet/token", call="unpause")
    chain.advance(1)

    info = client.post("/wallet/gettransactioninfobyid", value=paid)[1]

    assert info["receipt"]["result"] == "REVERT"
    assert called(client, "paused()") == 0


def test_the_tokens_fee_makes_two_transfers_t10(client: Client, chain: Chain) -> None:
    client.post("/devnet/token", call="set_params", basis_points=10, max_fee_usdt=5)
    chain.advance(1)
    paid = client.post("/devnet/pay", to=BUYER, units=1_000_000)[1]["txid"]
    chain.advance(1)

    logs = client.post("/wallet/gettransactioninfobyid", value=paid)[1]["log"]

    assert [int(log["data"], 16) for log in logs] == [999_000, 1_000]


def test_the_token_is_issued_redeemed_and_destroyed(client: Client, chain: Chain) -> None:
    supply = called(client, "totalSupply()")
    client.post("/devnet/token", call="issue", units=100)
    client.post("/devnet/token", call="redeem", units=30)
    client.post("/devnet/pay", to=BUYER, units=7)
    client.post("/devnet/blacklist", address=BUYER)
    client.post("/devnet/token", call="destroy_black_funds", address=BUYER)
    chain.advance(1)

    assert (called(client, "totalSupply()") - supply, chain.balance_of(BUYER)) == (100 - 30 - 7, 0)


def test_a_router_tries_pays_and_makes_noise(client: Client, chain: Chain) -> None:
    units = {"try": 10**13, "noise": 0, "route": 5}
    txids = [client.post("/devnet/route", to=BUYER, units=units[kind], kind=kind)[1]["txid"] for kind in units]
    chain.advance(1)

    infos = [client.post("/wallet/gettransactioninfobyid", value=txid)[1] for txid in txids]

    assert [info["receipt"]["result"] for info in infos] == ["SUCCESS"] * 3
    assert [len(info.get("log", [])) for info in infos] == [0, 2, 1]
    assert chain.balance_of(BUYER) == 5


def test_anybody_may_log_a_transfer_of_nothing_t8(client: Client, chain: Chain) -> None:
    txid = client.post("/devnet/poison", **{"from": BUYER, "to": chain.wallet_address})[1]["txid"]
    chain.advance(1)

    info = client.post("/wallet/gettransactioninfobyid", value=txid)[1]

    assert (info["receipt"]["result"], info["log"][0]["data"]) == ("SUCCESS", "0" * 64)
    assert info["log"][0]["topics"][1].endswith(keys.from_base58(BUYER)[1:].hex())


def test_faucet_gives_usdt_and_trx(client: Client, chain: Chain) -> None:
    answer = client.post("/devnet/faucet", address=BUYER, usdt_units=7, trx_sun=9)[1]
    chain.mine()

    assert set(answer) == {"ok", "usdt_txid", "trx_txid"}
    assert chain.balance_of(BUYER) == 7
    assert client.post("/wallet/getaccount", address=BUYER)[1]["balance"] == 9


def test_fake_and_failed_transfers(client: Client, chain: Chain) -> None:
    answers = [
        client.post("/devnet/fake-transfer", to=BUYER, units=1)[1],
        client.post("/devnet/failed-transfer", to=BUYER, units=1, kind="out_of_time")[1],
        client.post("/devnet/failed-transfer", to=BUYER, units=1, kind="revert")[1],
    ]
    chain.mine()

    infos = [client.post("/wallet/gettransactioninfobyid", value=answer["txid"])[1] for answer in answers]
    assert [info["receipt"]["result"] for info in infos] == ["SUCCESS", "OUT_OF_TIME", "REVERT"]
    assert chain.balance_of(BUYER) == 0


@pytest.mark.parametrize(
    ("call", "body", "code"),
    [
        ("pay", {}, "invalid_address"),
        ("pay", {"to": 5, "units": 1}, "invalid_address"),
        ("pay", {"to": "41" + "11" * 20, "units": 1}, "invalid_address"),
        ("pay", {"to": BUYER[:-1] + "a", "units": 1}, "invalid_address"),
        ("pay", {"to": BUYER}, "invalid_field"),
        ("pay", {"to": BUYER, "units": -1}, "invalid_field"),
        ("pay", {"to": BUYER, "units": 1.5}, "invalid_field"),
        ("pay", {"to": BUYER, "units": "1"}, "invalid_field"),
        ("pay", {"to": BUYER, "units": True}, "invalid_field"),
        ("pay", {"to": BUYER, "units": None}, "invalid_field"),
        ("pay", {"to": BUYER, "units": 2**256}, "invalid_field"),
        ("pay", {"to": BUYER, "units": BIG}, "insufficient_balance"),
        ("faucet", {"address": BUYER}, "missing_field"),
        ("faucet", {"address": BUYER, "usdt_units": BIG}, "insufficient_balance"),
        ("faucet", {"address": BUYER, "trx_sun": 0}, "invalid_field"),
        ("faucet", {"address": BUYER, "trx_sun": 2**63 - 1}, "contract_validate_error"),
        ("fake-transfer", {"to": BUYER, "units": BIG}, "invalid_field"),
        ("failed-transfer", {"to": BUYER, "units": 1}, "invalid_field"),
        ("failed-transfer", {"to": BUYER, "units": 1, "kind": ["revert"]}, "invalid_field"),
        ("failed-transfer", {"to": BUYER, "units": 0, "kind": "revert"}, "invalid_field"),
        ("witnesses", {"missing": list(range(27))}, "invalid_field"),
        ("witnesses", {"missing": [27]}, "invalid_field"),
        ("witnesses", {"missing": [True]}, "invalid_field"),
        ("token", {"call": "mint"}, "invalid_field"),
        ("route", {"to": BUYER, "units": 1, "kind": "x"}, "invalid_field"),
        ("poison", {"from": BUYER}, "invalid_address"),
        ("token", {"call": ["pause"]}, "invalid_field"),
        ("token", {"call": "issue"}, "invalid_field"),
        ("token", {"call": "destroy_black_funds", "address": 5}, "invalid_address"),
        ("advance", {}, "invalid_field"),
        ("advance", {"blocks": 0}, "invalid_field"),
        ("advance", {"blocks": 100_001}, "invalid_field"),
        ("advance", {"blocks": 1, "step_ms": 0}, "invalid_field"),
    ],
)
def test_bad_input_is_400_with_a_code(client: Client, call: str, body: dict[str, Any], code: str) -> None:
    status, answer = client.post("/devnet/" + call, **body)

    assert (status, answer["ok"], answer["code"]) == (400, False, code)
    assert answer["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 30_000])
def test_unreadable_body_is_400(client: Client, body: bytes) -> None:
    status, answer = client.send("POST", "/devnet/pay", body)

    assert (status, answer["code"]) == (400, "malformed_json")


def test_unknown_call_is_404_and_acts_want_post(client: Client) -> None:
    assert client.post("/devnet/nothing")[0] == 404
    assert client.send("GET", "/devnet/pay")[0] == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:8090"}, {"Host": ""}, {"Host": "["},
        {"Origin": "https://evil.example"}, {"Origin": "null"},
    ],
)  # fmt: skip
def test_foreign_pages_cannot_reach_the_wallet(client: Client, headers: dict[str, str]) -> None:
    status, answer = client.send("GET", "/devnet/wallet", headers=headers)

    assert status == 403
    assert "private_key" not in answer


@pytest.mark.parametrize("host", ["localhost", "localhost:8090", "127.0.0.1:1", "[::1]:8090"])
def test_loopback_names_are_let_in(client: Client, host: str) -> None:
    assert client.send("GET", "/devnet/status", headers={"Host": host})[0] == 200


def test_time_of_a_standing_clock_does_not_break_advance(client: Client, chain: Chain) -> None:
    client.post("/devnet/advance", blocks=500)
    chain.mine()

    assert chain.head_height == 502

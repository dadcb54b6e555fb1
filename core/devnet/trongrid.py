"""TronGrid's path for an account's token transfers: filtered, sorted, page by page; no block number, no log index.

Only successful transfers of known tokens are listed, as an indexer does. Source: TRON facts, section 10; what is
unverified there is so here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from core.clock import to_millis
from core.devnet import abi, keys, tether
from core.devnet.ledger import Chain
from core.devnet.lies import Outlook
from core.devnet.store import Record
from core.devnet.tether import TetherToken
from core.devnet.view import View
from core.devnet.wire import Json, parse_address

PAGE, MAX_PAGE = 20, 200
ORDERS = ("block_timestamp,asc", "block_timestamp,desc")
TRANSFER_TOPIC = abi.topic(tether.TRANSFER).hex()
Place = tuple[int, int, int]  # height, position in the block, number of the log


class BadQuery(ValueError):
    """The query makes no sense."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One transfer of an account, and where in the chain it stands. Times are milliseconds."""

    place: Place
    txid: str
    time_ms: int
    token: bytes
    sender: bytes
    to: bytes
    units: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which transfers are wanted, and from where on."""

    account: bytes
    token: bytes | None
    since_ms: int
    until_ms: int
    is_newest_first: bool
    limit: int
    sides: frozenset[str]
    after: Place | None


def answer(chain: Chain, *, name: str, params: Json, url: str, outlook: Outlook) -> tuple[int, Json]:
    """Answer `accounts/<address>/transactions/trc20` with status and body; url: of this call, without its query."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "accounts" or parts[2:] != ["transactions", "trc20"]:
        return 404, {"success": False, "error": "Not Found", "statusCode": 404}
    try:
        query = _query(parts[1], params)
        confirmed = [_flag(params, word) for word in ("only_confirmed", "only_unconfirmed")]
    except ValueError as err:
        return 400, {"success": False, "error": str(err) or "Bad Request", "statusCode": 400}
    with chain.lock:
        view = chain.view(solid=confirmed == [True, False], lag=outlook.lag, lies=outlook.lies)
        oldest = chain.view(solid=True, lag=outlook.lag).ceiling + 1 if confirmed == [False, True] else 0
        found = [listed for listed in _listed(chain, view, query) if listed.place[0] >= oldest]
    return 200, _page(chain, found, query, params=params, url=url)


def _page(chain: Chain, found: list[Listed], query: Query, *, params: Json, url: str) -> Json:
    found.sort(key=lambda listed: listed.place, reverse=query.is_newest_first)
    if query.after is not None:
        place = query.after
        found = [one for one in found if (one.place < place if query.is_newest_first else one.place > place)]
    shown = found[: query.limit]
    meta: Json = {"at": to_millis(chain.clock.now())}
    if len(found) > len(shown):
        meta["fingerprint"] = _fingerprint(shown[-1].place, params)
        meta["links"] = {"next": f"{url}?{urlencode(params | {'fingerprint': meta['fingerprint']})}"}
    return {"data": [_shown(listed) for listed in shown], "success": True, "meta": meta | {"page_size": len(shown)}}


def _listed(chain: Chain, view: View, query: Query) -> Iterator[Listed]:
    for record in view.records_naming(query.account[1:].hex()):
        if record.info.get("receipt", {}).get("result") == "SUCCESS" and "result" not in record.info:
            yield from (listed for listed in _transfers(chain, record) if _fits(listed, query))


def _transfers(chain: Chain, record: Record) -> Iterator[Listed]:
    for number, log in enumerate(record.info.get("log", [])):
        topics = log.get("topics", [])
        token = keys.PREFIX + bytes.fromhex(log.get("address", ""))
        is_token = isinstance(chain.machine.contracts.get(token), TetherToken)
        if is_token and len(topics) == 3 and topics[0] == TRANSFER_TOPIC:
            sender, to = (keys.PREFIX + bytes.fromhex(topic)[-20:] for topic in topics[1:])
            yield Listed(
                place=(record.height, record.position, number), txid=record.txid.hex(),
                time_ms=record.info["blockTimeStamp"], token=token, sender=sender, to=to, units=int(log["data"], 16),
            )


def _fits(listed: Listed, query: Query) -> bool:
    sides = {side for side, address in (("from", listed.sender), ("to", listed.to)) if address == query.account}
    return (
        bool(sides & query.sides) and query.since_ms <= listed.time_ms <= query.until_ms
        and query.token in (None, listed.token)
    )


def _shown(listed: Listed) -> Json:
    token = {"symbol": tether.SYMBOL, "address": keys.to_base58(listed.token), "decimals": tether.DECIMALS,
             "name": tether.TITLE}
    return {
        "transaction_id": listed.txid,
        "token_info": token,
        "block_timestamp": listed.time_ms,
        "from": keys.to_base58(listed.sender),
        "to": keys.to_base58(listed.to),
        "type": "Transfer",
        "value": str(listed.units),
    }


def _query(account: str, params: Json) -> Query:
    order = params.get("order_by", ORDERS[1])
    if order not in ORDERS:
        raise BadQuery(f"order_by must be {' or '.join(ORDERS)}")
    sides = {"to": _flag(params, "only_to"), "from": _flag(params, "only_from")}
    fingerprint = params.get("fingerprint")
    return Query(
        account=parse_address(account),
        token=parse_address(params["contract_address"]) if params.get("contract_address") else None,
        since_ms=_number(params, "min_timestamp", 0, most=2**63),
        until_ms=_number(params, "max_timestamp", 2**63, most=2**63),
        is_newest_first=order == ORDERS[1],
        limit=_number(params, "limit", PAGE, least=1, most=MAX_PAGE),
        sides=frozenset(side for side, is_only in sides.items() if is_only or not any(sides.values())),
        after=_place(str(fingerprint), params) if fingerprint else None,
    )


def _number(params: Json, name: str, default: int, *, least: int = 0, most: int) -> int:
    text = str(params.get(name, default))
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise BadQuery(f"{name} must be a whole number from {least} to {most}")
    return int(text)


def _flag(params: Json, name: str) -> bool:
    return str(params.get(name, "")).lower() == "true"


def _fingerprint(place: Place, params: Json) -> str:
    """Name the last transfer of a page; it fits only the query it came from."""
    return "".join(f"{number:010x}" for number in place) + _digest(params)


def _place(fingerprint: str, params: Json) -> Place:
    if len(fingerprint) != 38 or fingerprint[30:] != _digest(params):
        raise BadQuery("the fingerprint belongs to another query")
    height, position, number = (int(fingerprint[start:start + 10], 16) for start in (0, 10, 20))
    return height, position, number


def _digest(params: Json) -> str:
    given: list[tuple[str, Any]] = sorted((name, str(value)) for name, value in params.items() if name != "fingerprint")
    return sha256(repr(given).encode()).hexdigest()[:8]

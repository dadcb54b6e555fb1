"""Ask the devnet to pay from its demo wallet: the devnet holds the key, the hub only passes the buyer's wish on.

For the devnet alone; the edge that calls this answers 404 on every other network, and holds no transaction open.
"""

from __future__ import annotations

import re

import requests

from core.errors import NodeUnavailable
from core.money import Usdt
from core.settings import NetworkSettings

TIMEOUTS_S = (2.0, 5.0)  # connect, read: the devnet is a neighbour, and a buyer is waiting
TXID = re.compile(r"[0-9a-f]{64}")


def pay_from_demo_wallet(network: NetworkSettings, *, to: str, amount: Usdt) -> str:
    """Send an exact amount from the demo wallet and return the transaction's id.

    to: base58check.   Raises NodeUnavailable when the devnet is away or refuses.
    """
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{network.nodes[0].full_url}/devnet/pay",
                json={"to": to, "units": amount.units},
                timeout=TIMEOUTS_S,
                allow_redirects=False,
            )
            said = answer.json()
    except (requests.RequestException, ValueError) as err:
        raise NodeUnavailable("The devnet did not answer.") from err
    txid = said.get("txid") if isinstance(said, dict) else None
    if answer.status_code != 200 or not isinstance(txid, str) or TXID.fullmatch(txid) is None:
        raise NodeUnavailable("The devnet refused to pay from its demo wallet.")
    return txid

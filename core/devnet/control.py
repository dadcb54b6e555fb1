"""The devnet's own calls under /devnet: status, demo wallet, payments, faucet, time; for loopback clients only.

What these send are real signed transactions through the pending pool. Bad input is refused with 400 and a code.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from core.devnet import abi, keys
from core.devnet.fields import MAX_UNITS, Refused, address_in, flag_in, is_txid, whole_in
from core.devnet.forks import ForkTooDeep, Lost
from core.devnet.ledger import Chain
from core.devnet.state import trx
from core.devnet.teller import FailureKind
from core.devnet.wire import INT64_MAX, Json

MAX_ADVANCE = 100_000  # about ten seconds of mining
OWNER_CALLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pause": ("pause()", ()),
    "unpause": ("unpause()", ()),
    "issue": ("issue(uint256)", ("units",)),
    "redeem": ("redeem(uint256)", ("units",)),
    "set_params": ("setParams(uint256,uint256)", ("basis_points", "max_fee_usdt")),
    "destroy_black_funds": ("destroyBlackFunds(address)", ("address",)),
}
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


class Control:
    """The control calls of one chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._reads: dict[str, Callable[[], Json]] = {"status": self.status, "wallet": self.wallet}
        self._acts: dict[str, Callable[[Json], Json]] = {
            "pay": self.pay,
            "faucet": self.faucet,
            "advance": self.advance,
            "fake-transfer": self.fake_transfer,
            "failed-transfer": self.failed_transfer,
            "fork": self.fork,
            "skip-slots": self.skip_slots,
            "witnesses": self.witnesses,
            "stall": self.stall,
            "resume": self.resume,
            "hold": self.hold,
            "energy": self.energy,
            "stake": self.stake,
            "trx-cache": self.trx_cache,
            "blacklist": self.blacklist,
            "deprecate": self.deprecate,
            "token": self.token,
            "route": self.route,
            "poison": self.poison,
        }

    def answer(self, *, method: str, name: str, body: Json) -> Json:
        """Answer one call; raises Refused, or Rejected by the node."""
        if name in self._reads:
            return self._reads[name]()
        act = self._acts.get(name)
        if act is None:
            raise Refused("not_found", f"there is no /devnet/{name}", http_status=404)
        if method != "POST":
            raise Refused("method_not_allowed", f"/devnet/{name} takes POST", http_status=405)
        return {"ok": True} | act(body)

    def status(self) -> Json:
        """Describe the chain and the demo wallet."""
        chain = self._chain
        with chain.lock:
            wallet = {
                "address": chain.wallet_address,
                "usdt_units": chain.balance_of(chain.wallet_address),
                "trx_sun": chain.view(solid=False).state.get(trx(keys.address_of(chain.ring.wallet))),
            }
            return {
                "genesis_id": chain.genesis_id,
                "head": chain.head_height,
                "solid": chain.solid_height,
                "head_time_ms": chain.head.timestamp_ms,
                "pending": chain.pending_count,
                "block_interval_s": chain.interval_ms / 1000,
                "witnesses": chain.schedule.count,
                "missing_witnesses": sorted(chain.schedule.missing),
                "usdt_contract": chain.usdt_address,
                "fake_usdt_contract": chain.fake_usdt_address,
                "router_contract": chain.router_address,
                "burner_contract": chain.burner_address,
                "wallet": wallet,
            }

    def wallet(self) -> Json:
        """Hand out the demo wallet's key."""
        return {"address": self._chain.wallet_address, "private_key": self._chain.wallet_private_key}

    def pay(self, body: Json) -> Json:
        """Send USDT from the demo wallet."""
        to, units = address_in(body, "to"), whole_in(body, "units", most=MAX_UNITS)
        if units > self._chain.balance_of(self._chain.wallet_address):
            raise Refused("insufficient_balance", "the demo wallet does not hold that much USDT")
        return {"txid": self._chain.pay(to, units)}

    def faucet(self, body: Json) -> Json:
        """Send USDT, TRX or both from the faucet."""
        to = address_in(body, "address")
        units = whole_in(body, "usdt_units", most=MAX_UNITS) if "usdt_units" in body else None
        sun = whole_in(body, "trx_sun", least=1, most=INT64_MAX) if "trx_sun" in body else None
        if units is None and sun is None:
            raise Refused("missing_field", "give usdt_units, trx_sun or both")
        if units and units > self._chain.balance_of(keys.to_base58(self._chain.faucet_address)):
            raise Refused("insufficient_balance", "the faucet does not hold that much USDT")
        sent: Json = {}
        if sun is not None:
            sent["trx_txid"] = self._chain.faucet_trx(to, sun)
        if units is not None:
            sent["usdt_txid"] = self._chain.faucet_usdt(to, units)
        return sent

    def advance(self, body: Json) -> Json:
        """Mine blocks at once, one interval apart, or step_ms apart."""
        blocks = whole_in(body, "blocks", least=1, most=MAX_ADVANCE)
        step_ms = whole_in(body, "step_ms", least=1, most=86_400_000) if "step_ms" in body else None
        head = self._chain.advance(blocks, step_ms=step_ms)
        return {"head": head.height, "solid": self._chain.solid_height}

    def fake_transfer(self, body: Json) -> Json:
        """Send tokens that only look like USDT."""
        return {"txid": self._chain.fake_transfer(address_in(body, "to"), whole_in(body, "units", most=10**18))}

    def failed_transfer(self, body: Json) -> Json:
        """Send a transfer that fails in its block, with its log (out_of_time) or without (revert)."""
        kind = body.get("kind")
        if kind not in [str(known) for known in FailureKind]:
            raise Refused("invalid_field", "kind must be out_of_time or revert")
        least = 1 if kind == FailureKind.REVERT else 0
        units = whole_in(body, "units", least=least, most=MAX_UNITS)
        return {"txid": self._chain.failed_transfer(address_in(body, "to"), units, kind)}

    def fork(self, body: Json) -> Json:
        """Replace the newest blocks by a longer branch."""
        depth = whole_in(body, "depth", least=1, most=1000)
        lost = body.get("lost", str(Lost.MOVE))
        if lost not in [str(known) for known in Lost]:
            raise Refused("invalid_field", "lost must be drop, move or fail")
        try:
            return {"head": self._chain.fork(depth, lost=Lost(lost))}
        except ForkTooDeep as err:
            raise Refused("fork_too_deep", str(err)) from err

    def skip_slots(self, body: Json) -> Json:
        """Mine the next block some slots late."""
        return {"head": self._chain.skip_slots(whole_in(body, "slots", least=1, most=100_000)).height}

    def witnesses(self, body: Json) -> Json:
        """Let some witnesses miss their slots: time jumps, and solidity slows down or stops."""
        missing = body.get("missing", [])
        if not isinstance(missing, list) or not all(type(number) is int for number in missing):
            raise Refused("invalid_field", "missing must be a list of witness numbers")
        try:
            self._chain.miss(missing)
        except ValueError as err:
            raise Refused("invalid_field", str(err)) from err
        return {"missing": sorted(set(missing)), "solid": self._chain.solid_height}

    def stall(self, body: Json) -> Json:
        """Let no further block become solid."""
        self._chain.stall_solid()
        return {"solid": self._chain.solid_height}

    def resume(self, body: Json) -> Json:
        """Let blocks become solid again."""
        self._chain.resume_solid()
        return {"solid": self._chain.solid_height}

    def hold(self, body: Json) -> Json:
        """Keep pending transactions out of all blocks."""
        txids = body.get("txids", [])
        if not isinstance(txids, list) or not all(is_txid(txid) for txid in txids):
            raise Refused("invalid_field", "txids must be a list of 64 hex digits each")
        self._chain.hold(txids)
        return {"held": len(txids)}

    def energy(self, body: Json) -> Json:
        """Change the energy price, the USDT contract's dynamic factor, or both."""
        if not {"price_sun", "factor"} & set(body):
            raise Refused("missing_field", "give price_sun, factor or both")
        price = whole_in(body, "price_sun", least=1, most=10**6) if "price_sun" in body else None
        factor = whole_in(body, "factor", most=10**6) if "factor" in body else None
        if price is not None:
            self._chain.set_energy_price(price)
        if factor is not None:
            self._chain.set_energy_factor(factor)
        return {"from_height": self._chain.head_height + 1}

    def stake(self, body: Json) -> Json:
        """Give an account daily energy as if it had staked TRX; 0 takes it away."""
        self._chain.stake(address_in(body, "address"), whole_in(body, "energy", most=INT64_MAX))
        return {"from_height": self._chain.head_height + 1}

    def trx_cache(self, body: Json) -> Json:
        """Let the node answer DUP for an hour to whatever it has seen, refused or not, or only to what it knows."""
        is_on = flag_in(body, "enabled")
        self._chain.cache_seen(is_on)
        return {"enabled": is_on}

    def deprecate(self, body: Json) -> Json:
        """Forward the USDT contract to a successor, which from then on logs its transfers."""
        successor = bytes(12) + keys.from_base58(address_in(body, "successor"))[1:]
        return {"txid": self._chain.owner_call("deprecate(address)", successor)}

    def token(self, body: Json) -> Json:
        """Have the USDT contract's owner call one of its functions; numbers in whole units, or as the contract says."""
        name = body.get("call")
        if not isinstance(name, str) or name not in OWNER_CALLS:
            raise Refused("invalid_field", f"call must be one of {', '.join(OWNER_CALLS)}")
        signature, fields = OWNER_CALLS[name]
        words = [
            abi.word(keys.from_base58(address_in(body, field))) if field == "address"
            else whole_in(body, field, most=MAX_UNITS).to_bytes(32)
            for field in fields
        ]
        return {"txid": self._chain.owner_call(signature, *words)}

    def route(self, body: Json) -> Json:
        """Pay from the demo wallet by the router, as often as wanted in one transaction."""
        to = bytes(12) + keys.from_base58(address_in(body, "to"))[1:]
        units = whole_in(body, "units", most=MAX_UNITS)
        times = whole_in({"times": 1} | body, "times", least=1, most=250)
        kind = body.get("kind", "route")
        if kind == "try":
            return {"txid": self._chain.route("tryRoute(address,uint256)", to, units.to_bytes(32))}
        if kind == "noise":
            return {"txid": self._chain.route("noise(address)", to)}
        if kind != "route":
            raise Refused("invalid_field", "kind must be route, try or noise")
        words = (to, units.to_bytes(32), times.to_bytes(32))
        return {"txid": self._chain.route("route(address,uint256,uint256)", *words)}

    def poison(self, body: Json) -> Json:
        """Log a transfer of nothing between two strangers, as swindlers do: nobody has to allow it."""
        words = [abi.word(keys.from_base58(address_in(body, name))) for name in ("from", "to")]
        return {"txid": self._chain.owner_call("transferFrom(address,address,uint256)", *words, bytes(32))}

    def blacklist(self, body: Json) -> Json:
        """Put an address on the USDT contract's blacklist, or take it off, by a real transaction of its owner."""
        holder = bytes(12) + keys.from_base58(address_in(body, "address"))[1:]
        function = "removeBlackList(address)" if body.get("remove") is True else "addBlackList(address)"
        return {"txid": self._chain.owner_call(function, holder)}


def check_caller(*, host: str, origin: str | None) -> None:
    """Refuse calls that a page in somebody's browser could make: a foreign Host (DNS rebinding) or Origin."""
    if _name_of("//" + host) not in LOOPBACK_NAMES:
        raise Refused("forbidden_host", "the control calls answer only to a loopback Host", http_status=403)
    if origin is not None and _name_of(origin) not in LOOPBACK_NAMES:
        raise Refused("forbidden_origin", "the control calls answer no foreign page", http_status=403)


def _name_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None

"""What the port is told to do wrong: faults by path, further views that lag, and views that lie. For loopback only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from core.devnet import keys, lies
from core.devnet.contracts import Result
from core.devnet.execution import Code
from core.devnet.faults import Faults, Rule
from core.devnet.fields import MAX_UNITS, Refused, address_in, flag_in, txid_in, whole_in
from core.devnet.ledger import Chain
from core.devnet.lies import Ending, Lies, Outlook
from core.devnet.wire import Json

RESERVED = ("wallet", "walletsolidity", "jsonrpc", "v1", "devnet")


class Stage:
    """The faults and views of one server; the first view has the name ""."""

    def __init__(self, chain: Chain, views: Mapping[str, int]) -> None:
        self._chain = chain
        self.faults = Faults(chain.clock)
        self._views = {name: Outlook(lag, Lies()) for name, lag in ({"": 0} | dict(views)).items()}
        self.calls: dict[str, Callable[[Json], Json]] = {
            "faults": self.set_faults,
            "requests": self.requests,
            "views": self.add_view,
            "vanish": self.vanish,
            "forge": self.forge,
            "honest": self.be_honest,
        }

    def split(self, root: str, name: str) -> tuple[str, str, str]:
        """Tell a view's base path from the root behind it: return (view, root, name)."""
        if root not in self._views or not root:
            return "", root, name
        inner, _, rest = name.partition("/")
        return root, inner, rest

    def outlook(self, view: str, rule: Rule | None) -> Outlook:
        """Return how a call by a view sees the chain, where this rule strikes it."""
        outlook = self._views[view]
        if rule is not None and rule.kind == "lag":
            return replace(outlook, lag=outlook.lag + rule.blocks)
        if rule is not None and rule.kind == "refused":
            return replace(outlook, refusal=Code(rule.code))
        return outlook

    def answer(self, *, method: str, name: str, body: Json) -> Json:
        """Answer one call; raises Refused."""
        if name == "faults" and method != "POST":
            return self._faults()
        if name != "requests" and method != "POST":
            raise Refused("method_not_allowed", f"/devnet/{name} takes POST", http_status=405)
        return {"ok": True} | self.calls[name](body)

    def set_faults(self, body: Json) -> Json:
        """Replace the rules."""
        rules, seed = body.get("rules", []), body.get("seed", 0)
        if not isinstance(rules, list) or not isinstance(seed, int):
            raise Refused("invalid_field", "give a list of rules and perhaps a seed")
        try:
            self.faults.set(rules, seed=seed)
        except (TypeError, ValueError) as err:
            raise Refused("invalid_field", str(err)) from err
        return self._faults()

    def requests(self, body: Json) -> Json:
        """Tell how often each path was asked."""
        return dict(self.faults.requests)

    def add_view(self, body: Json) -> Json:
        """Serve the chain under a further base path, so many blocks late, perhaps without /walletsolidity."""
        name, lag = body.get("name"), whole_in({"lag": 0} | body, "lag", most=1000)
        if not isinstance(name, str) or not name.isascii() or not name.isalnum() or name in RESERVED:
            raise Refused("invalid_field", "name must be letters and digits, and none of the node's own paths")
        has_solid_root = flag_in({"has_solid_root": True} | body, "has_solid_root")
        with self._chain.lock:
            self._views[name] = Outlook(lag, Lies(), has_solid_root)
        return {"views": {view: outlook.lag for view, outlook in self._views.items() if view}}

    def vanish(self, body: Json) -> Json:
        """Show a transaction no more, however final its block is."""
        txid, told = txid_in(body, "txid"), self._lies(body)
        with self._chain.lock:
            if told.forged.pop(txid, None) is not None:
                return {"height": None}
            record = self._chain.view(solid=False).transaction(txid)
            if record is None:
                raise Refused("unknown_transaction", "no block has this transaction")
            told.hidden[txid] = record.height
        return {"height": record.height}

    def forge(self, body: Json) -> Json:
        """Show a USDT transfer that never was, by default in the next block that becomes solid."""
        to, units = keys.from_base58(address_in(body, "to")), whole_in(body, "units", most=MAX_UNITS)
        told, ending = self._lies(body), body.get("ending", Ending.SUCCESS)
        if ending not in list(Ending):
            raise Refused("invalid_field", f"ending must be one of {', '.join(Ending)}")
        with self._chain.lock:
            height = whole_in({"height": self._chain.solid_height + 1} | body, "height", least=1, most=2**62)
            forgery = lies.forge(self._chain, to=to, units=units, height=height, ending=Ending(ending))
            if forgery.receipt.result is not Result.SUCCESS:
                raise Refused("insufficient_balance", "the demo wallet does not hold that much USDT")
            told.forged[forgery.tx.txid] = forgery
        return {"txid": forgery.tx.txid.hex(), "height": height}

    def be_honest(self, body: Json) -> Json:
        """Show the chain as it is again."""
        with self._chain.lock:
            self._lies(body).clear()
        return {}

    def _faults(self) -> Json:
        return {"ok": True, "rules": self.faults.describe()}

    def _lies(self, body: Json) -> Lies:
        view = body.get("view", "")
        outlook = self._views.get(view) if isinstance(view, str) else None
        if outlook is None or outlook.lies is None:
            raise Refused("invalid_field", "there is no view of this name")
        return outlook.lies

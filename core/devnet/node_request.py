"""One call of the node API, read leniently as the real node reads it; what cannot be read is a NodeFault."""

from __future__ import annotations

from dataclasses import dataclass

from core.devnet import wire
from core.devnet.ledger import Chain
from core.devnet.lies import HONEST, Outlook
from core.devnet.view import View
from core.devnet.wire import Json

Answer = Json | list[Json]


class NodeFault(Exception):
    """The node failed inside: HTTP 200 with {"Error": …}, as java-tron does."""


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """A call and what it may see. `params` is the JSON body or the query.   view: what its root shows."""

    chain: Chain
    view: View
    params: Json
    outlook: Outlook = HONEST

    def sight(self, *, solid: bool) -> View:
        """Return what either root shows to this caller."""
        return self.chain.view(solid=solid, lag=self.outlook.lag, lies=self.outlook.lies)

    @property
    def visible(self) -> bool:
        """Tell whether addresses are base58 and messages text."""
        return str(self.params.get("visible", "")).lower() == "true"

    def text(self, name: str) -> str:
        """Return a parameter as text; empty if absent."""
        value = self.params.get(name)
        return "" if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        """Return a whole number, which may come as text."""
        value = self.params.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise NodeFault("class java.lang.NumberFormatException : null")
        try:
            return int(value)
        except ValueError as err:
            raise NodeFault(f'class java.lang.NumberFormatException : For input string: "{value}"') from err

    def bytes_of(self, name: str) -> bytes:
        """Return a parameter written in hex."""
        try:
            return bytes.fromhex(self.text(name))
        except ValueError as err:
            raise NodeFault("class org.bouncycastle.util.encoders.DecoderException : invalid characters") from err

    def address(self, name: str) -> bytes:
        """Return an address, hex or base58; the real node says no more than this about a bad one."""
        try:
            return wire.parse_address(self.params.get(name))
        except ValueError as err:
            raise NodeFault("class java.lang.NullPointerException : null") from err

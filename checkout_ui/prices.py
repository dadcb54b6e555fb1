"""What a buyer reads of a price in another currency: the price, the rate that made it USDT, whose it is and of when."""

from __future__ import annotations

from dataclasses import dataclass

from core.models import Payment

NBSP, THIN = "\u00a0", "\u202f"  # spaces at which no line breaks
SOURCES = {  # as a buyer knows them; another plugin's source goes by its own name
    "peg": "fixed: 1 USDT is 1 USD", "table": "the shop\u2019s own rates", "kraken": "Kraken", "coinbase": "Coinbase",
}


@dataclass(frozen=True, slots=True)
class Fiat:
    """What the shop asks in its own currency, the rate that made it USDT, and who said so."""

    price: str
    rate: str
    source: str


def fiat_of(payment: Payment) -> Fiat | None:
    """Write the price of a payment that was priced in fiat, its thousands set apart: "12 500 JPY"."""
    if payment.price_text is None or payment.price_currency is None:
        return None
    whole, point, rest = payment.price_text.partition(".")
    price = f"{int(whole):,}".replace(",", THIN) + point + rest
    rate = f"1{NBSP}USDT = {payment.rate}{NBSP}{payment.price_currency}"
    source = " and ".join(SOURCES.get(name, name) for name in (payment.rate_sources or "").split())
    return Fiat(f"{price}{NBSP}{payment.price_currency}", rate, source)

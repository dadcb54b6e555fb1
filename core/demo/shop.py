"""The demo shop: a cart, a button, a webhook. It talks to the hub as any merchant would, by the public API alone.

Run it with `python -m core.demo.shop --config var/demo.json --port 8082`. What another shop would copy is in
`gateway.py`; orders are kept in a file beside the configuration.
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from flask import (
    Blueprint, Flask, Response, abort, current_app, make_response, redirect, render_template, request, url_for,
)
from requests import RequestException
from werkzeug.serving import make_server
from werkzeug.wrappers import Response as AnyResponse

from core.demo.gateway import PaymentRefused, create_payment, verified_notice
from core.demo.orders import Orders
from core.demo.priced import create_priced_payment

ITEMS = (
    ("beans", "Harbour roast", "Coffee beans, 250\u00a0g", 1250),
    ("mug", "Deckhand mug", "Enamel, 350\u00a0ml", 990),
    ("tote", "Quayside tote", "Heavy canvas, undyed", 760),
)
TOTAL_CENTS = sum(item[3] for item in ITEMS)
CURRENCIES = ("USDT", "EUR")  # the shop's prices are the same figures in both
REFRESH_S = "2"  # while the signed webhook is still to come

pages = Blueprint("shop", __name__)


@dataclass(frozen=True, slots=True)
class Shop:
    """What the pages need: the demo configuration, which holds the keys, and the order book."""

    config: dict[str, Any] = field(repr=False)
    orders: Orders


def create_shop(config: dict[str, Any], *, folder: Path) -> Flask:
    """Build the shop of a demo configuration; its orders are kept in `folder`."""
    app = Flask(__name__)
    app.extensions["shop"] = Shop(config, Orders(folder / "shop.sqlite3"))
    app.jinja_env.globals.update(items=ITEMS, total=decimal(TOTAL_CENTS), price=decimal, currencies=CURRENCIES)
    app.register_blueprint(pages)
    app.register_error_handler(404, lambda _error: (_trouble("There is nothing at this address."), 404))
    app.after_request(_harden)
    return app


@pages.get("/")
def cart() -> str:
    """Show what is in the cart."""
    return render_template("cart.html", currency=_currency(request.args))


@pages.post("/order")
def order() -> AnyResponse | tuple[str, int]:
    """Write the order down, create its payment, and send the customer there."""
    shop, order_id, is_test = _shop(), f"QK-{secrets.token_hex(4).upper()}", request.form.get("mode") == "test"
    total, currency = decimal(TOTAL_CENTS), _currency(request.form)
    shop.orders.open(order_id=order_id, amount=total, currency=currency, is_test=is_test, ordered_at=_now_text())
    wanted = {
        "order_id": order_id,
        "description": "Quay & Kettle: three things",
        "success_url": shop.config["shop_url"] + url_for("shop.thanks", order=order_id),
        "fail_url": shop.config["shop_url"] + url_for("shop.canceled", order=order_id),
    }
    try:
        payment = _created(shop, wanted, total=total, currency=currency, is_test=is_test)
    except PaymentRefused as refused:
        return _trouble(str(refused)), 502
    except (RequestException, ValueError):
        return _trouble("The payment service does not answer right now."), 502
    shop.orders.note_payment_url(order_id, payment["payment_url"])
    return redirect(payment["payment_url"], code=303)


@pages.post("/webhook")
def webhook() -> tuple[dict[str, bool], int]:
    """Take the hub's word that an order is paid, if it is the hub's word."""
    shop = _shop()
    notice = verified_notice(
        body=request.get_data(),
        headers=request.headers,
        webhook_secret=shop.config["webhook_secret"],
        keys=shop.config,
    )
    if notice is None:
        return {"ok": False}, 401
    shop.orders.take(request.headers["webhook-id"], notice)
    return {"ok": True}, 200


@pages.get("/thanks")
def thanks() -> Response:
    """Show how an order stands; coming here proves nothing, only the signed webhook does."""
    found = _shop().orders.find(request.args.get("order", "")) or abort(404)
    answer = make_response(render_template("thanks.html", order=found))
    if not found.is_paid:
        answer.headers["Refresh"] = REFRESH_S
    return answer


@pages.get("/canceled")
def canceled() -> str:
    """Say that nothing was paid."""
    return render_template("canceled.html", order=_shop().orders.find(request.args.get("order", "")))


@pages.get("/orders")
def book() -> str:
    """List the orders of everybody: it is a demo."""
    return render_template("orders.html", orders=_shop().orders.latest())


def decimal(cents: int) -> str:
    """Write a price as the API wants it: a decimal string."""
    return f"{cents // 100}.{cents % 100:02d}"


def main() -> None:
    """Serve the shop until told to stop."""
    reader = argparse.ArgumentParser(description="The demo shop of Paywharf.")
    reader.add_argument("--config", type=Path, required=True, help="the demo.json that `paywharf demo` writes")
    reader.add_argument("--port", type=int, required=True)
    given = reader.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    shop = create_shop(json.loads(given.config.read_text("utf-8")), folder=given.config.parent)
    make_server("127.0.0.1", given.port, shop, threaded=True).serve_forever()


def _created(shop: Shop, wanted: dict[str, Any], *, total: str, currency: str, is_test: bool) -> dict[str, Any]:
    """Ask for so much USDT, or for what a price in another currency comes to."""
    hub = {"base_url": shop.config["base_url"], **shop.config["test" if is_test else "live"]}
    if currency == "USDT":
        return create_payment(**hub, order=wanted | {"amount": total})
    return create_priced_payment(**hub, order=wanted | {"price": {"amount": total, "currency": currency}})


def _currency(given: Mapping[str, str]) -> str:
    return given["currency"] if given.get("currency") in CURRENCIES else CURRENCIES[0]


def _shop() -> Shop:
    return cast(Shop, current_app.extensions["shop"])


def _trouble(sentence: str) -> str:
    return render_template("trouble.html", sentence=sentence)


def _harden(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {_shop().config['base_url']}"  # the order form ends in a redirect to the payment page
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _now_text() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    main()

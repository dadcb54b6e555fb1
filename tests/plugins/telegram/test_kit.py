"""The bot kit against a served hub: one message that lives, each payment told, nothing lost on the way."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.clock import from_millis
from core.payments.controls import Scenario
from core.signing import standard_webhook_headers
from core.testing.factories import know_rates
from paywharf_telegram import (
    CallbackStore, FileStore, HubAway, HubRefused, Paid, SqliteStore, Store, Till, verified_notice,
)
from paywharf_telegram.amounts import read_amount
from paywharf_telegram.front import Front
from paywharf_telegram.till import Blocked, Button, Order, TooFast
from tests.plugins.telegram.conftest import Chatroom, Desk

pytestmark = pytest.mark.slow

KIT = Path(__file__).parents[3] / "plugins" / "telegram" / "kit"
ORDER = Order("tg.7.1", chat_id=7, user_id=7, language="en", title="Tea", payload="seat 12")


class Seller:
    """A developer's `on_paid`; the first `fails` calls raise."""

    def __init__(self, fails: int = 0) -> None:
        self.calls: list[Paid] = []
        self.fails = fails

    async def __call__(self, paid: Paid) -> str:
        self.calls.append(paid)
        if len(self.calls) <= self.fails:
            raise RuntimeError("out of paper")
        return "Enjoy!"


@dataclass
class PacedRoom(Chatroom):
    """A messenger that takes one message a second in a chat, edits included, by a clock of its own."""

    now_s: float = 0.0
    refused: int = 0
    _free_at_s: dict[int, float] = field(default_factory=dict)

    async def send(self, chat_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> int:
        self._take_turn(chat_id)
        return await super().send(chat_id, text, buttons)

    async def edit(self, chat_id: int, message_id: int, text: str, buttons: Sequence[Sequence[Button]]) -> None:
        self._take_turn(chat_id)
        await super().edit(chat_id, message_id, text, buttons)

    def _take_turn(self, chat_id: int) -> None:
        free_at_s = self._free_at_s.get(chat_id, 0.0)
        if self.now_s < free_at_s:
            self.refused += 1
            raise TooFast(free_at_s - self.now_s)
        self._free_at_s[chat_id] = self.now_s + 1


def memory() -> CallbackStore:
    kept: dict[str, str] = {}
    return CallbackStore(kept.get, kept.__setitem__)


def run(desk: Desk, play: Callable[[Till], Any], *, store: Store | None = None, seller: Seller | None = None) -> Any:
    """Run a play with a fresh till, as a process that has just begun."""

    async def whole() -> Any:
        async with desk.client() as client:
            return await play(Till(client, store or memory(), seller or Seller()))

    return asyncio.run(whole())


def test_one_message_lives_from_waiting_to_paid_and_a_second_one_rings(desk: Desk, room: Chatroom):
    seller = Seller()

    async def play(till: Till) -> list[str]:
        invoice = await till.open(room, ORDER, "10")
        waiting = room.shown[1]
        desk.play(invoice.payment_id)
        await till.step(room, wait_s=0)
        return [waiting, *room.shown.values(), invoice.pay_amount, invoice.address]

    waiting, lives, rings, pay_amount, address = run(desk, play, seller=seller)

    assert f"<code>{pay_amount}</code>" in waiting and f"<code>{address}</code>" in waiting and "Waiting" in waiting
    assert lives == "<b>Tea</b>\n10.00 USDT\n✅ Paid. Thank you!"
    assert (rings, room.buttons[1]) == ("Enjoy!", [])
    (paid,) = seller.calls
    assert (paid.payload, paid.chat_id, paid.key[:4]) == ("seat 12", 7, "evt_")


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (Scenario.UNDER, "Do not send again"), (Scenario.EXPIRE, "Expired"), (Scenario.FAIL, "Canceled"),
        (Scenario.LATE, "late"),
    ],
)
def test_money_that_does_not_fit_is_shown_and_not_told_as_paid(
    desk: Desk, room: Chatroom, scenario: Scenario, words: str
):
    seller = Seller()

    async def play(till: Till) -> None:
        desk.play((await till.open(room, ORDER, "10")).payment_id, scenario)
        await till.step(room, wait_s=0)

    run(desk, play, seller=seller)

    assert words in room.shown[1] and "Send exactly" not in room.shown[1]
    assert (len(room.shown), seller.calls) == (1, [])


def test_a_price_in_euros_is_quoted_once_and_shown_with_its_quote(desk: Desk, room: Chatroom):
    async def pay_by_command(till: Till) -> list[str | None]:
        front = Front(till.hub, till.store, Seller(), currency="EUR")
        command = {"chat_id": 7, "message_id": 1, "user_id": 7, "language": "en"}
        said = [await front.pay(room, typed, **command) for typed in ("much", "9,50")]
        know_rates(desk.hub, EUR="0.92")
        said.append(await front.pay(room, "9,50", **command))
        know_rates(desk.hub, EUR="0.50")
        return [*said, await front.pay(room, "9,50", **command)]

    said = run(desk, pay_by_command)
    run(desk, lambda till: till.open(room, replace(ORDER, title=""), "9.50", currency="EUR"))

    assert said[0] == "Write /pay and an amount, such as /pay 10"
    assert said[1:] == ["Payments do not work right now. Try again in a minute.", None, None]
    assert [text.partition("\nSend exactly")[0] for text in room.shown.values()] == [
        "9.50 EUR = 10.33 USDT", "9.50 EUR = 10.33 USDT",
    ]


def test_buttons_open_the_browser_or_call_back_and_never_a_mini_app(desk: Desk, room: Chatroom):
    """G11; the only buttons there are: a url, or callback data of at most 64 bytes whatever the payment's number."""
    run(desk, lambda till: till.open(room, ORDER, "10"))

    pay, check, cancel = room.buttons[1]
    assert pay.url and "/pay/?id=" in pay.url
    assert (check.data or "")[:5] == "pw:c:" and (cancel.data or "")[:5] == "pw:x:"
    assert len(f"pw:x:{2**53}".encode()) <= 64
    assert [path.name for path in KIT.rglob("*.py") if "web_app" in path.read_text()] == []


def test_a_title_from_a_stranger_is_inert(desk: Desk, room: Chatroom):
    """G12."""
    hostile = Order("tg.7.2", 7, 7, title='<a href="https://evil.example">x</a> & <b')

    run(desk, lambda till: till.open(room, hostile, "10"))

    assert room.shown[1].startswith("<b>&lt;a href=&quot;https://evil.example&quot;&gt;x&lt;/a&gt; &amp; &lt;b</b>\n")


def test_the_same_order_opened_twice_is_one_payment_and_one_message(desk: Desk, room: Chatroom):
    """G4."""
    store = memory()

    first = run(desk, lambda till: till.open(room, ORDER, "10"), store=store)
    again = run(desk, lambda till: till.open(room, ORDER, "10"), store=store)

    assert (first.payment_id, len(room.shown)) == (again.payment_id, 1)


def test_only_the_buyer_presses_and_a_double_tap_is_answered_alike(desk: Desk, room: Chatroom):
    """G3."""

    async def play(till: Till) -> list[str | None]:
        number = (await till.open(room, ORDER, "10")).payment_id
        presses = [("c", 7), ("c", 7), ("x", 8), ("x", 7), ("x", 7)]
        return [await till.press(room, f"pw:{act}:{number}", user_id=who, language="en") for act, who in presses]

    check, again, stranger, cancel, twice = run(desk, play)

    assert check == again == "⏳ Waiting for your transfer."
    assert stranger == "This is not your payment."
    assert cancel == twice == "✖️ Canceled. Do not pay this."
    assert len(room.shown) == 1


def test_a_payment_that_has_had_money_has_no_cancel_and_an_old_button_does_nothing(desk: Desk, room: Chatroom):
    async def play(till: Till) -> tuple[str | None, str]:
        number = (await till.open(room, ORDER, "10")).payment_id
        desk.play(number, Scenario.UNDER)
        await till.step(room, wait_s=0)
        answer = await till.press(room, f"pw:x:{number}", user_id=7, language="en")
        return answer, (await till.hub.get(number)).state

    answer, state = run(desk, play)

    assert answer == "⚠️ Less than the amount has arrived. Do not send again: the seller decides."
    assert (state, [button.text for button in room.buttons[1]]) == ("pending", ["I have paid"])


def test_a_seller_that_fails_is_called_again_with_the_same_key_and_holds_up_nobody(desk: Desk, room: Chatroom):
    seller, store = Seller(fails=1), memory()

    async def play(till: Till) -> None:
        for number in (1, 2):
            order = Order(f"tg.{number}", 7, 7, payload=str(number))
            desk.play((await till.open(room, order, "10")).payment_id)
        await till.step(room, wait_s=0)

    run(desk, play, store=store, seller=seller)
    run(desk, lambda till: till.step(room, wait_s=0), store=store, seller=seller)  # after a restart

    assert [paid.payload for paid in seller.calls] == ["1", "2", "1"]
    assert seller.calls[0].key == seller.calls[2].key
    assert list(room.shown.values()).count("Enjoy!") == 2


def test_however_much_a_seller_fails_no_paid_order_is_passed_over(
    desk: Desk, room: Chatroom, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("paywharf_telegram.till.OWED_LIMIT", 1)
    seller, store = Seller(fails=5), memory()

    async def play(till: Till) -> None:
        for number in (1, 2, 3):
            order = Order(f"tg.{number}", 7, 7, payload=str(number))
            desk.play((await till.open(room, order, "10")).payment_id)
        for _ in range(8):
            await till.step(room, wait_s=0)

    run(desk, play, store=store, seller=seller)

    assert list(room.shown.values()).count("Enjoy!") == 3


def test_a_buyer_who_has_blocked_the_bot_still_gets_the_goods(desk: Desk, room: Chatroom):
    """G1: one attempt for each message, no storm."""
    seller = Seller()

    async def play(till: Till) -> None:
        desk.play((await till.open(room, ORDER, "10")).payment_id)
        room.refusals = [Blocked(), Blocked()]
        await till.step(room, wait_s=0)

    run(desk, play, seller=seller)

    assert (len(seller.calls), room.refusals, len(room.shown)) == (1, [], 1)


def test_a_pause_that_is_asked_for_is_kept_and_nothing_is_lost(
    desk: Desk, room: Chatroom, monkeypatch: pytest.MonkeyPatch
):
    paused, seller = list[float](), Seller()

    async def sleep(seconds: float) -> None:
        if seconds:  # the HTTP client's own turns are none
            paused.append(seconds)

    async def play(till: Till) -> None:
        room.refusals = [TooFast(3)]
        desk.play((await till.open(room, ORDER, "10")).payment_id)
        room.refusals = [TooFast(5), None, TooFast(7)]  # the edit, the edit again, and the message right after it
        await till.step(room, wait_s=0)

    monkeypatch.setattr("paywharf_telegram.till.asyncio.sleep", sleep)
    run(desk, play, seller=seller)

    assert (paused, room.refusals, len(seller.calls)) == ([3, 5, 7], [], 1)
    assert "Paid" in room.shown[1] and room.shown[2] == "Enjoy!"


def test_g2_fifty_payments_at_once_are_all_told_at_the_pace_of_each_chat(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    room, seller = PacedRoom(), Seller()

    async def sleep(seconds: float) -> None:
        room.now_s += seconds

    async def play(till: Till) -> None:
        for number in range(50):
            order = Order(f"tg.{number}", number, number)
            desk.play((await till.open(room, order, "10")).payment_id)
        while len(room.shown) < 100:
            await till.step(room, wait_s=0)

    monkeypatch.setattr("paywharf_telegram.till.asyncio.sleep", sleep)
    run(desk, play, seller=seller)

    assert len({paid.key for paid in seller.calls}) == len(seller.calls) == 50
    assert sorted(room.shown.values()) == ["10.00 USDT\n✅ Paid. Thank you!"] * 50 + ["Enjoy!"] * 50
    assert room.refused >= 50


@pytest.mark.parametrize(
    "reopen",
    [
        lambda folder: FileStore(folder / "bot.json"),
        lambda folder: SqliteStore(folder / "bot.sqlite3"),
        lambda folder, kept={}: CallbackStore(kept.get, kept.__setitem__),
    ],
    ids=["file", "sqlite", "callback"],
)
def test_each_store_keeps_the_place_over_a_restart(
    desk: Desk, room: Chatroom, tmp_path: Path, reopen: Callable[[Path], Any]
):
    """G13: no webhook anywhere."""
    seller = Seller()
    opened = [reopen(tmp_path)]
    invoice = run(desk, lambda till: till.open(room, ORDER, "10"), store=opened[-1], seller=seller)
    desk.play(invoice.payment_id)

    for _ in range(3):
        opened.append(reopen(tmp_path))
        run(desk, lambda till: till.step(room, wait_s=0), store=opened[-1], seller=seller)

    assert [(paid.order_id, paid.payload) for paid in seller.calls] == [("tg.7.1", "seat 12")]
    for store in opened:
        getattr(store, "close", lambda: None)()


class Killed(BaseException):
    """The end of a process, as far as one process can play it."""


class Points:
    """Counts what a bot does, before and after; ends it at the chosen one."""

    def __init__(self, left: int) -> None:
        self.left = left

    def pass_one(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        async def pointed(*given: Any, **named: Any) -> Any:
            self.pass_one()
            result = await act(*given, **named)
            self.pass_one()
            return result

        return pointed


def test_wherever_a_bot_ends_the_next_one_sells_exactly_once(desk: Desk, tmp_path: Path):
    """Every point of a sale in turn, each with an order of its own; one memory on disk."""

    def life(number: int, points: Points, room: Chatroom) -> None:
        store = SqliteStore(tmp_path / "bot.sqlite3")
        store.connection.execute("CREATE TABLE IF NOT EXISTS sold (key TEXT)")
        pointed = CallbackStore(store.get, lambda key, value: (points.pass_one(), store.put(key, value),
                                                               points.pass_one()) and None)

        async def on_paid(paid: Paid) -> None:
            points.pass_one()
            with store.once(paid.key) as db:
                if db:
                    db.execute("INSERT INTO sold VALUES (?)", (paid.key,))
                points.pass_one()
            points.pass_one()

        async def whole() -> None:
            async with desk.client() as client:
                client.create_invoice = points.around(client.create_invoice)  # type: ignore[method-assign]
                till = Till(client, pointed, on_paid)
                invoice = await till.open(room, Order(f"tg.{number}", 7, 7), "10")
                if invoice.is_open:
                    desk.play(invoice.payment_id)
                await till.step(room, wait_s=0)

        try:
            asyncio.run(whole())
        finally:
            sold = store.connection.execute("SELECT COUNT(*) FROM sold").fetchone()[0]
            store.close()
        assert sold == number

    for number in range(1, 60):
        room, points = Chatroom(), Points(number)
        room.send, room.edit = points.around(room.send), points.around(room.edit)  # type: ignore[method-assign]
        try:
            life(number, points, room)
            break
        except Killed:
            life(number, points, room)

    assert 15 < number < 59, "the last one passed all points"


def test_what_is_written_once_is_written_once_or_not_at_all(tmp_path: Path):
    store = SqliteStore(tmp_path / "bot.sqlite3")
    store.connection.execute("CREATE TABLE sold (key TEXT)")

    with pytest.raises(RuntimeError), store.once("evt_1") as db:
        assert db is not None
        db.execute("INSERT INTO sold VALUES ('torn')")
        raise RuntimeError("killed in between")
    for _ in range(2):
        with store.once("evt_1") as db:
            if db:
                db.execute("INSERT INTO sold VALUES ('whole')")

    assert store.connection.execute("SELECT key FROM sold").fetchall() == [("whole",)]
    store.close()


def test_a_refusal_and_an_absence_are_told_apart(desk: Desk):
    async def ask() -> tuple[str, str]:
        async with desk.client() as client:
            await client.create_invoice("10", order_id="A")
            with pytest.raises(HubRefused) as refused:
                await client.create_invoice("11", order_id="A")
            client.base_url = "http://127.0.0.1:1"
            with pytest.raises(HubAway) as away:
                await client.get(1)
            return refused.value.code, away.value.code

    assert asyncio.run(ask()) == ("order_amount_conflict", "away")


def test_the_verifier_refuses_one_flipped_byte(desk: Desk):
    """G14."""
    secret, body = str(desk.shop.webhook_secret), json.dumps({"status": "paid"}).encode()
    headers = standard_webhook_headers(secrets=[secret], event_id="evt_1", sent_at=from_millis(10**12), body=body)
    flipped = bytes([body[0] ^ 1]) + body[1:]

    def said(body: bytes, *, now_s: float = 10**9, **changes: str) -> Any:
        return verified_notice(body=body, headers=headers | changes, webhook_secret=secret, now_s=now_s)

    assert said(body) == {"status": "paid"}
    assert said(body, **{"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}) == {"status": "paid"}
    assert said(flipped) is None
    assert said(body, now_s=10**9 + 301) is None
    assert said(body, **{"webhook-id": "evt_2"}) is None
    assert said(body, **{"webhook-signature": "v1,ü"}) is None


@pytest.mark.parametrize(
    ("typed", "amount"),
    [("10", "10"), (" 9,50 ", "9.50"), ("0.000001", "0.000001"), ("0", None), ("0.00", None), ("-1", None),
     ("1e3", None), ("", None), (None, None), ("10 20", None), ("١٠", None), ("1.2345678", None), ("9" * 10, None)],
)
def test_amounts_are_read_strictly(typed: str | None, amount: str | None):
    assert read_amount(typed) == amount


@pytest.mark.slow
def test_the_kit_is_a_distribution_of_its_own(tmp_path: Path):
    """It is built from its folder alone, and its files import nothing of the house."""
    alone = shutil.copytree(KIT, tmp_path / "kit", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    build = f"import setuptools.build_meta as backend; backend.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=alone, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("paywharf_telegram-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("paywharf_telegram/")}
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        requires = [line for line in archive.read(metadata).decode().splitlines() if line.startswith("Requires-Dist")]
    shipped = {f"paywharf_telegram/{path.name}" for path in (KIT / "paywharf_telegram").iterdir() if path.is_file()}
    assert names == shipped
    assert [line for line in requires if "extra" not in line] == ["Requires-Dist: httpx<0.29,>=0.27"]

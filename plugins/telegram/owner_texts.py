"""Writes the messages and buttons of those who run the shop: pure, from what the desk and the notices say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from core.contract import Act, InboxEntry, Likely, Notice, RefundView, Role
from core.money import Usdt
from plugins.telegram.owner_words import WORDS, say

Json = dict[str, Any]
LINES, SENTENCE = 5, 300  # shown of a kind; characters of a sentence of the hub's
VERBS = {Act.ACCEPT: "a", Act.ATTACH: "t", Act.REFUNDED: "r", Act.IGNORE: "g"}
ACTS = {verb: act for act, verb in VERBS.items()}
ENDED = {"refunded": "returned"}  # what an entry's resolution is called, where a button has that word


def notices_text(notices: Sequence[Notice], language: str, zone: ZoneInfo) -> str:
    """Write what is told in one message: everything but money that waits, which has messages of its own."""
    parts = [
        digest_text(one.sums, language, zone) if one.kind == "digest" else _section(one, language)
        for one in notices if one.kind != "inbox"
    ]
    return "\n\n".join(parts)


def digest_text(sums: Mapping[str, str], language: str, zone: ZoneInfo) -> str:
    """Write the day's figures."""
    until = datetime.fromisoformat(sums["until"]).astimezone(zone)
    head = say("digest", language, until=until.strftime("%Y-%m-%d %H:%M"))
    return f"<b>{head}{' (test)' if sums.get('is_test') else ''}</b>\n" + say("digest_lines", language, **sums)


def summary_text(notice: Notice, language: str) -> str:
    """Write that many wait, where each with its own message would be a storm."""
    return say("waiting", language, count=notice.count, amount=notice.sums.get("amount", ""))


def entry_text(entry: InboxEntry, language: str, *, ask: str = "") -> str:
    """Write money that waits, or what became of it. ask: the question that a second tap answers."""
    is_decided = entry.bucket == "matched" and bool(entry.by)
    head = "came" if is_decided else entry.bucket
    lines = [f"{say(head, language)}: <b>{entry.amount.six_places()} USDT</b>"]
    if entry.order_id:
        due = say("asked", language, amount=entry.due.six_places())
        lines.append(f"{say('order', language)} <code>{escape(entry.order_id)}</code>, {due}")
    lines.append(f"<code>{entry.address}</code>")
    lines.append(f"{entry.block_time:%Y-%m-%d %H:%M} UTC · <code>{entry.txid[:8]}…{entry.txid[-6:]}</code>")
    if entry.likely and not ask:
        lines.append(say("likely", language))
        lines += [f"{n}. <code>{escape(one.order_id)}</code> · {off_text(one, language)}"
                  for n, one in enumerate(entry.likely, 1)]
    if not entry.waits:
        ended = say(ENDED.get(entry.resolution, entry.resolution), language)
        lines.append(f"<b>{ended}</b>" + (f" · {escape(entry.by)}" if entry.by else ""))
    elif entry.refund:
        lines.append(f"<b>{say('leaving', language)}</b>")
    return "\n".join(lines) + (f"\n\n<b>{ask}</b>" if ask else "")


def entry_rows(entry: InboxEntry, language: str, role: Role | None) -> list[list[Json]]:
    """Give the buttons of an entry for a role; none where nothing can be decided. role None: of a chat of many."""
    if not entry.waits or entry.refund or role is Role.VIEWER:
        return []
    rows = [[_button(_attach_words(one, language), entry, Act.ATTACH, one.payment_id)] for one in entry.likely]
    if entry.payment_id is not None:
        rows.insert(0, [_button(say("accept", language), entry, Act.ACCEPT)])
    last = [_button(say("refunded", language), entry, Act.REFUNDED)] if role in (None, Role.OWNER) else []
    return [*rows, [*last, _button(say("ignore", language), entry, Act.IGNORE)]]


def confirm_rows(entry: InboxEntry, act: Act, payment_id: int, language: str) -> list[list[Json]]:
    """Give the buttons of the question."""
    yes = _button(say("yes", language), entry, act, payment_id, is_sure=True)
    return [[yes], [{"text": say("back", language), "callback_data": f"o:b:{entry.transfer_id}:0:{entry.mark}"}]]


def question(entry: InboxEntry, act: Act, order_id: str, language: str) -> str:
    """Ask whether an act is meant; money is named, and the order."""
    return say(f"ask.{act}", language, amount=entry.open_amount.six_places(), order=escape(order_id))


def next_rows(after: int, key: str, language: str) -> list[list[Json]]:
    """Give the button that shows what waits beyond a transfer."""
    return [[{"text": say(key, language), "callback_data": f"o:n:{after}:0:{0:08x}"}]]


def off_text(one: Likely, language: str) -> str:
    """Say how far an amount is off what an order asked, and whether that is paid already."""
    off = f"{'+' if one.off.units > 0 else '−'}{_short(one.off)}" if one.off.units else say("exact", language)
    return f"{off} ({say('paid', language)})" if one.status == "paid" else off


def refund_text(view: RefundView, language: str) -> str:
    """Write how far a refund is."""
    head = say("refund", language, amount=view.amount.six_places(), order=f"<code>{escape(view.order_id)}</code>")
    to = f"\n<code>{view.recipient}</code>" if view.state in ("addressed", "failed") else ""
    return f"{head}\n{say(f'state.{view.state}', language)}{to}"


def _section(notice: Notice, language: str) -> str:
    """Write one kind: a few lines of it, how many more there are, and what they come to."""
    known = notice.kind in WORDS
    is_test = bool(notice.lines and notice.lines[0].get("is_test"))
    head = (say(notice.kind, language) if known else escape(notice.kind)) + (" (test)" if is_test else "")
    lines = [_line(one, language) for one in notice.lines[:LINES]]
    if notice.count > len(lines):
        lines.append(say("more", language, count=notice.count - len(lines)))
    if notice.count > 1 and "amount" in notice.sums:
        lines.append(say("in_all", language, count=notice.count, amount=notice.sums["amount"]))
    return "\n".join([f"<b>{head}</b>", *lines])


def _line(facts: Mapping[str, str], language: str) -> str:
    if "alarm" in facts:
        where = f"<code>{escape(facts['url'])}</code>\n" if facts.get("url") else ""
        key = f"alarm.{facts['alarm']}"
        words = escape(facts["sentence"][:SENTENCE])
        return where + (say(key, language, subject=escape(facts["subject"])) if key in WORDS else words)
    if "order_id" in facts:
        title = f"{escape(facts['title'])} · " if facts.get("title") else ""
        order = f"{title}{say('order', language)} <code>{escape(facts['order_id'])}</code>, {facts['amount']} USDT"
        asked = f" ({say('asked', language, amount=facts['asked'])})" if facts.get("asked") else ""
        return order + asked + (f", {say('enough', language)}" if facts.get("is_less") else "")
    return ", ".join(f"<code>{escape(value)}</code>" for value in facts.values())


def _attach_words(one: Likely, language: str) -> str:
    return f"🔗 {one.order_id[:40]} · {off_text(one, language)}"


def _short(sum_: Usdt) -> str:
    whole, _, rest = Usdt(abs(sum_.units)).six_places().partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def _button(words: str, entry: InboxEntry, act: Act, payment_id: int = 0, *, is_sure: bool = False) -> Json:
    data = f"o:{VERBS[act]}{'!' if is_sure else ''}:{entry.transfer_id}:{payment_id}:{entry.mark}"
    return {"text": words, "callback_data": data}

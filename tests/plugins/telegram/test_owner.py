"""The side of a managed bot that its shop's people see: told once, decided by who may, and nothing done twice."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.alarms import AlarmKind, clear_alarm, raise_alarm
from core.channels import news, service
from core.channels import people as crew
from core.channels.desk import ChannelDesk
from core.channels.store import ChannelStore
from core.clock import ManualClock
from core.contract import AdapterError
from core.desk import Act, Period, Role
from core.errors import EntryChanged, NotAllowed, NotFound
from core.hub import Hub
from core.models import ChannelMember, Delivery, Event, Notice, Payment, Refund, Transfer
from core.money import Usdt
from core.outbox.events import CHANNEL_NOTICE
from core.payments import inbox
from core.projects.service import get_project
from core.testing.bot_api import people
from core.testing.factories import make_payment, make_shop
from plugins.telegram.bot_api import BotApi
from plugins.telegram.owner_words import WORDS
from tests.plugins.telegram.counter import Counter, open_counter
from tests.plugins.telegram.managed import ANN, BEN, GROUP, OWNER, Door, make_stall

pytestmark = pytest.mark.slow

HELPER = BEN


@pytest.fixture(autouse=True)
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The imitated messenger has no limits unless a test sets them."""
    for name in ("CHAT_GAP_MS", "GROUP_GAP_MS", "OVERALL_GAP_MS"):
        monkeypatch.setattr(f"plugins.telegram.bot_api.{name}", 0)


@pytest.fixture
def shop(hub: Hub, clock: ManualClock) -> Counter:
    return open_counter(hub, clock)


def test_an_invitation_is_good_once_and_names_the_role(shop: Counter):
    with shop.stall.hub.database.transaction() as session:
        channel = service.get_channel(session, shop.stall.channel.uid)
        code = crew.invite(session, shop.stall.hub, channel, role=Role.VIEWER)
    for person in (HELPER, ANN):
        people.start(shop.stall.world, shop.stall.bot, person, f"owner-{code}")
        shop.stall.tick()

    assert shop.stall.texts(OWNER)[0].startswith("Welcome. Your role here: owner.")
    assert shop.stall.texts(HELPER)[-1].startswith("Welcome. Your role here: viewer.")
    assert shop.stall.texts(ANN) == ["This invitation is unknown, used or too old."]
    with shop.stall.hub.database.snapshot() as session:
        assert [(one.person, one.name, one.role) for one in session.query(ChannelMember).order_by("role")] == [
            (str(OWNER), "Olga", "owner"), (str(HELPER), "Ben", "viewer"),
        ]


def test_an_invitation_ends_after_a_quarter_of_an_hour(shop: Counter):
    with shop.stall.hub.database.transaction() as session:
        channel = service.get_channel(session, shop.stall.channel.uid)
        code = crew.invite(session, shop.stall.hub, channel, role=Role.OWNER)
    shop.stall.clock.advance(minutes=16)
    people.start(shop.stall.world, shop.stall.bot, ANN, f"owner-{code}")
    people.start(shop.stall.world, shop.stall.bot, ANN, "owner-cc_nonsense")
    shop.stall.tick()

    assert shop.stall.texts(ANN) == ["This invitation is unknown, used or too old."] * 2


def test_stray_money_is_told_once_and_attached_by_two_taps(shop: Counter):
    payment = shop.order("10")
    shop.money(payment.pay_units.units + 20_000)
    shop.later()
    shop.later()

    told = [text for text in shop.stall.texts(OWNER) if "Fits no order" in text]
    assert len(told) == 1 and "1. A-1 · +0.02" in told[0]
    shop.stall.press("A-1", person=OWNER)
    assert "for order A-1?" in shop.stall.texts(OWNER)[-1] and shop.acts() == []
    assert shop.stall.press("Yes", person=OWNER) == ["Done."]

    assert shop.acts() == [("attached", "telegram:1")]
    with shop.stall.hub.database.snapshot() as session:
        assert session.get_one(Payment, payment.id).status == "paid"
        attached = session.scalars(select(Event).where(Event.type == "payment.attached")).one()
        assert attached.actor == "telegram:1"


def test_g3_a_double_tap_a_stale_button_and_a_stranger_are_answered_and_do_nothing(shop: Counter):
    shop.join(HELPER, Role.OPERATOR)
    shop.money(7_000_000)
    shop.later()
    (message,) = [one for one in people.messages_from(shop.stall.world, shop.stall.bot, OWNER) if "reply_markup" in one]
    ignore = people.find_button(message, "Ignore")["callback_data"]
    sure = ignore.replace("o:g:", "o:g!:")

    def tap(data: str, person: int = OWNER) -> list[str]:
        query = people.press_data(shop.stall.world, shop.stall.bot, person, message, data)
        shop.stall.tick()
        return shop.stall.world.queries[query].answers

    assert tap(sure, ANN) == ["Your role does not allow that: nothing was done."]
    assert tap(sure[:-8] + "00000000") == ["This has changed meanwhile: nothing was done, look again."]
    assert tap(sure.replace("o:g!", "o:r!"), HELPER) == ["Your role does not allow that: nothing was done."]
    assert shop.acts() == []
    assert tap(sure) == ["Done."]
    assert [tap(sure), tap(ignore), tap(sure, HELPER)] == [["This is decided already: nothing was done."]] * 3
    assert shop.acts() == [("ignored", "telegram:1")]
    for person in (OWNER, HELPER):  # whoever was shown it sees what became of it
        shown = people.messages_from(shop.stall.world, shop.stall.bot, person)[-1]
        assert "Put aside · Olga" in shown["text"] and "reply_markup" not in shown


def test_what_was_decided_elsewhere_is_not_decided_again(shop: Counter):
    transfer = shop.money(7_000_000)
    shop.later()
    shop.stall.press("Refunded", person=OWNER)

    with shop.stall.hub.database.transaction() as session:
        inbox.ignore(session, shop.stall.hub, transfer.id, by=inbox.By("cli:anna"))

    assert shop.stall.press("Yes", person=OWNER) == ["This is decided already: nothing was done."]
    assert shop.acts() == [("ignored", "cli:anna")]


def test_a_viewer_is_told_without_buttons_and_who_is_removed_decides_nothing(shop: Counter):
    shop.join(HELPER, Role.VIEWER)
    shop.money(7_000_000)
    shop.later()
    with shop.stall.hub.database.transaction() as session:
        crew.remove(session, shop.stall.channel.id, str(OWNER))

    shown = people.messages_from(shop.stall.world, shop.stall.bot, HELPER)[-1]
    assert "Fits no order" in shown["text"] and "reply_markup" not in shown
    assert shop.stall.press("Ignore", person=OWNER) == ["Your role does not allow that: nothing was done."]
    assert shop.stall.say("/inbox", person=OWNER) and shop.acts() == []
    assert shop.stall.texts(OWNER)[-1] == "What would you like?", "a stranger like any other"


def test_a_storm_is_a_few_messages(shop: Counter):
    before = len(shop.stall.texts(OWNER))
    for n in range(30):
        payment = shop.order("10", f"S-{n}")
        shop.money(payment.pay_units.units)
        shop.money(900_000 + n)
    for _ in range(20):
        shop.stall.tick(1)
    told = shop.stall.texts(OWNER)[before:]

    assert len(told) <= 4, told
    assert any("30 in all" in text for text in told) and any("30 transfers wait" in text for text in told)
    shop.stall.press("Show them", person=OWNER)
    assert len(shop.stall.texts(OWNER)) == before + len(told) + 4, "three of them, and a way on"
    assert "27 more" in shop.stall.texts(OWNER)[-1]


def test_trouble_is_told_once_while_it_stands_and_again_when_it_comes_again(shop: Counter):
    hub = shop.stall.hub

    def trouble(kind: AlarmKind, subject: str, sentence: str) -> None:
        with hub.database.transaction() as session:
            raise_alarm(session, kind=kind, subject=subject, sentence=sentence, now=shop.stall.clock.now())

    trouble(AlarmKind.WATCHER_LATE, "devnet", "The watcher is 9 minutes behind.")
    trouble(AlarmKind.ENDPOINT_DISABLED, "ep_of_somebody_else", "Not ours.")
    trouble(AlarmKind.PROVIDER_TROUBLE, "https://node", "Operator's alone.")
    for _ in range(3):
        trouble(AlarmKind.WATCHER_LATE, "devnet", "The watcher is 10 minutes behind.")
        shop.later()
    with hub.database.transaction() as session:
        clear_alarm(session, kind=AlarmKind.WATCHER_LATE, subject="devnet", now=shop.stall.clock.now())
    trouble(AlarmKind.WATCHER_LATE, "devnet", "Again.")
    shop.later()

    told = shop.stall.texts(OWNER)[1:]
    assert told == ["🐢 The watcher is late: payments are seen later\nIt is more than five minutes behind."] * 2


def test_a_short_payment_that_is_accepted_is_told_by_what_arrived_and_who_accepted_it(shop: Counter):
    payment = shop.order("10")
    transfer = shop.money(payment.pay_units.units - 1_000_000)
    came, asked = Usdt(payment.pay_units.units - 1_000_000).six_places(), payment.pay_units.six_places()
    shop.later()
    if transfer.payment_id is None:
        shop.stall.press("A-1", person=OWNER)
        shop.stall.press("Yes", person=OWNER)
    shop.later()
    shop.stall.press("Accept", person=OWNER)
    shop.stall.press("Yes", person=OWNER)
    shop.later()

    told = shop.stall.texts(OWNER)
    assert f"✅ Paid\nOrder A-1, {came} USDT (asked: {asked}), accepted as enough" in told
    entries = [text for text in told if "Accepted" in text]
    assert entries and all(text.startswith(f"Money of an order: {came}") for text in entries)
    assert all(text.endswith("Accepted · Olga") for text in entries)
    with shop.stall.hub.database.snapshot() as session:
        project, now = get_project(session, shop.stall.shop.project_id), shop.stall.clock.now()
        day = Period(now - timedelta(days=1), now + timedelta(days=1))
        assert news.figures(session, project, day)["received"] == came


@pytest.mark.parametrize(
    ("off", "says", "answer"),
    [
        (-3_000_000, "3.000000 USDT is missing. Do not send again", "⚠️ Less than the amount has arrived."),
        (2_000_000, "✅ Paid, and 2.000000 USDT more than that.", "✅ Paid, and more than that."),
    ],
)
def test_a_buyer_reads_what_is_off_and_can_no_longer_cancel(shop: Counter, off: int, says: str, answer: str):
    shop.stall.say("/pay 10")
    (payment,) = shop.stall.payments()
    old = people.messages_from(shop.stall.world, shop.stall.bot, ANN)[0] | {}
    transfer = shop.money(payment.pay_units.units + off, to=payment.address)
    with shop.stall.hub.database.transaction() as session:
        if session.get_one(Transfer, transfer.id).payment_id is None:
            inbox.attach(session, shop.stall.hub, transfer.id, payment=session.get_one(Payment, payment.id),
                         by=inbox.By("cli:anna"))
    shop.later()

    (now, *_) = people.messages_from(shop.stall.world, shop.stall.bot, ANN)
    assert says in now["text"] and "Send exactly" not in now["text"] and payment.address not in now["text"]
    assert "Cancel" not in json.dumps(now.get("reply_markup", {}))
    query = people.press(shop.stall.world, shop.stall.bot, ANN, old, "Cancel")
    shop.stall.tick()
    assert shop.stall.world.queries[query].answers[0].startswith(answer)
    assert shop.stall.payments()[0].status == ("pending" if off < 0 else "paid")


def test_a_refund_sends_the_payer_a_link_through_the_outbox_and_shows_its_state(shop: Counter):
    shop.stall.say("/pay 10")
    (payment,) = shop.stall.payments()
    shop.money(payment.pay_units.units + 5_000_000, to=payment.address)
    with shop.stall.hub.database.transaction() as session:  # an excess of the order's
        transfer = session.scalars(select(Transfer)).one()
        if transfer.payment_id is None:

            inbox.attach(session, shop.stall.hub, transfer.id, payment=session.get_one(Payment, payment.id),
                         by=inbox.By("cli:anna"))
    shop.later()
    shop.stall.say(f"/refund {payment.order_id}", person=HELPER)
    shop.stall.say("/refund nobody-s", person=OWNER)
    assert shop.stall.texts(OWNER)[-1] == "There is no such order."
    shop.stall.say(f"/refund {payment.order_id}", person=OWNER)
    shop.stall.tick()
    shop.stall.say(f"/refund {payment.order_id}", person=OWNER)

    begun, again = shop.stall.texts(OWNER)[-2:]
    assert begun == again and "5.000000 USDT" in begun and "Waits for the payer’s address." in begun
    written = people.messages_from(shop.stall.world, shop.stall.bot, ANN)
    links = [one for one in written if "go back to you" in one["text"]]
    assert len(links) == 1
    assert people.find_button(links[0], "Enter my address")["url"].startswith("https://hub.example/refund/?t=")
    assert not any("/refund/?t=" in text for text in shop.stall.texts(OWNER)), "the payer alone has the link"


def test_a_paid_order_goes_back_whole_once_and_on_an_owners_word_alone(shop: Counter):
    payment = shop.order("10")
    shop.money(payment.pay_units.units)
    shop.later()
    shop.stall.say(f"/refund {payment.order_id} all", person=HELPER)
    shop.stall.say(f"/refund {payment.order_id}", person=OWNER)
    assert "/refund ORDER all" in shop.stall.texts(OWNER)[-1], "the plain command takes nothing that has paid"
    for _ in range(2):
        shop.stall.say(f"/refund {payment.order_id} all", person=OWNER)
        shop.stall.tick()

    begun, again = shop.stall.texts(OWNER)[-2:]
    with shop.stall.hub.database.snapshot() as session:
        refunds = session.scalars(select(Refund)).all()
    assert begun == again and f"Refund of {payment.pay_units.six_places()} USDT" in begun
    assert [(one.payment_id, one.units, one.transfer_id) for one in refunds] == [(payment.id, payment.pay_units, None)]
    assert shop.stall.payments()[0].status == "paid"


def test_the_digest_comes_at_the_chosen_hour_once_and_can_be_ended(shop: Counter):
    shop.stall.say("/digest 9", person=OWNER)
    payment = shop.order("10")
    shop.money(payment.pay_units.units)
    shop.later()
    clock = shop.stall.clock
    at_nine = clock.now().replace(hour=9, minute=0, second=5) + timedelta(days=1)
    for seconds in ((at_nine - clock.now()).total_seconds() - 60, 60, 60, 600):
        shop.later(int(seconds))
    shop.stall.say("/digest off", person=OWNER)
    shop.later(86_400)

    digests = [text for text in shop.stall.texts(OWNER) if text.startswith("📊")]
    assert digests[-1] == (
        f"📊 The day until {at_nine:%Y-%m-%d} 09:00\nReceived: {payment.pay_units.six_places()} USDT\n"
        "Payments: 1\nWaiting for a decision: 0\nFailed webhooks: 0"
    )
    assert len(digests) == len({text.split("\n")[0] for text in digests})
    assert shop.stall.texts(OWNER)[-1].startswith("The digest is off.")


def test_another_projects_money_is_not_at_this_desk(shop: Counter):
    hub = shop.stall.hub
    other = make_shop(hub, website="https://other.example.com", webhook_url=None)
    theirs = make_payment(hub, other, amount="10", order_id="THEIRS")
    shop.money(1_000_000, to=theirs.address)
    with hub.database.snapshot() as session:
        channel = service.get_channel(session, shop.stall.channel.uid)
        stray = session.scalars(select(Transfer)).one()

    desk = ChannelDesk(hub, channel, channel.project)
    assert desk.waiting() == [] and desk.count_waiting() == 0
    with pytest.raises(NotFound):
        desk.entry(stray.id)
    with pytest.raises(NotFound):
        desk.decide(stray.id, Act.IGNORE, person=str(OWNER), mark="")
    ours = shop.money(2_000_000)
    with pytest.raises(NotFound):
        desk.decide(ours.id, Act.ATTACH, person=str(OWNER), mark=desk.entry(ours.id).mark, payment_id=theirs.payment_id)
    with pytest.raises(NotAllowed):
        desk.decide(ours.id, Act.IGNORE, person=str(ANN), mark=desk.entry(ours.id).mark)
    with pytest.raises(EntryChanged):
        desk.decide(ours.id, Act.IGNORE, person=str(OWNER), mark="")
    assert shop.acts() == []


def test_a_telling_that_failed_half_way_goes_on_where_it_stopped(shop: Counter, monkeypatch: pytest.MonkeyPatch):
    shop.join(HELPER, Role.OPERATOR)
    shop.money(7_000_000)
    send, sent = BotApi.send, []

    def unlucky(api: BotApi, chat: int, text: str, rows: object = ()) -> int:
        sent.append(chat)
        if len(sent) == 2:

            raise AdapterError("The Bot API is away.")
        return send(api, chat, text, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(BotApi, "send", unlucky)
    shop.later()
    shop.later(600)

    for person in (OWNER, HELPER):
        assert len([text for text in shop.stall.texts(person) if "Fits no order" in text]) == 1
    with shop.stall.hub.database.snapshot() as session:
        (delivery,) = session.query(Delivery).filter(Delivery.type == CHANNEL_NOTICE)
        assert (delivery.state, delivery.failures) == ("done", 1)
        assert {notice.delivery_id for notice in session.query(Notice)} == {delivery.id}


def test_g5_a_group_hears_at_most_twenty_messages_a_minute(
    monkeypatch: pytest.MonkeyPatch, hub: Hub, clock: ManualClock
):
    monkeypatch.undo()
    stall = make_stall(hub, clock, owner_chat_id=GROUP)
    moments: list[float] = []

    class Pause:
        def wait(self, seconds: float) -> None:
            clock.advance(seconds=seconds + 0.001)

    monkeypatch.setattr("plugins.telegram.bot_api.Event", Pause)

    api = BotApi(Door(stall.world), ChannelStore(hub, stall.channel), base_url="https://api.telegram.org",
                 token=stall.bot.token, clock=clock)
    for n in range(45):
        api.send(GROUP, f"message {n}")
        moments.append(clock.monotonic())

    assert max(sum(1 for other in moments if at <= other < at + 60) for at in moments) <= 20


def test_every_word_is_there_in_every_language_and_asks_for_the_same():
    told = {f"alarm.{kind}" for kind in (*news.ENDPOINTS, *news.WATCHER, *news.ADDRESSES, *news.CHANNELS)}
    assert told <= set(WORDS)

    for key, texts in WORDS.items():
        assert len({tuple(sorted(set(re.findall(r"{\w+}", text)))) for text in texts}) == 1, key
        assert all(text.strip() for text in texts) and len(texts) == 5, key

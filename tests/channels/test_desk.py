"""What a channel's people are told and decide, on both databases; the chat itself has tests beside its plugin."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.alarms import AlarmKind, standing_alarms
from core.chain.lateness import Lateness
from core.channels import news
from core.channels.desk import ChannelDesk
from core.channels.service import get_channel
from core.clock import ManualClock
from core.contract import Act, Period
from core.errors import InvalidInvite, NotInInbox
from core.hub import Hub
from core.models import Notice
from tests.channels.kit import on_both
from tests.plugins.telegram.counter import open_counter
from tests.plugins.telegram.managed import OWNER


@on_both
def test_payments_money_and_trouble_are_told_once_and_decided_once(hub: Hub, clock: ManualClock):
    counter = open_counter(hub, clock)
    paid, short = counter.order("10", "PAID"), counter.order("20", "SHORT")
    counter.money(paid.pay_units.units)
    stray = counter.money(short.pay_units.units - 1_000_000)
    counter.later()
    counter.later()

    told = "\n\n".join(counter.stall.texts(OWNER))
    assert (told.count("Order PAID"), told.count("Fits no order")) == (1, 1)
    with hub.database.snapshot() as session:
        keys = [notice.key.partition(":")[0] for notice in session.query(Notice).order_by(Notice.id)]
        channel = get_channel(session, counter.stall.channel.uid)
        desk = ChannelDesk(hub, channel, channel.project)
    assert sorted(keys) == ["alarm", "events", "transfer"]

    entry = desk.entry(stray.id)
    assert [one.order_id for one in entry.likely] == ["SHORT", "PAID"], "the likelier first"
    then = desk.decide(stray.id, Act.ATTACH, person=str(OWNER), mark=entry.mark, payment_id=short.payment_id)
    assert (then.waits, then.bucket, then.order_id) == (True, "underpaid", "SHORT"), "it is not enough"
    assert desk.decide(stray.id, Act.ACCEPT, person=str(OWNER), mark=then.mark).by == "Olga"
    with pytest.raises(NotInInbox):
        desk.decide(stray.id, Act.ACCEPT, person=str(OWNER), mark=then.mark)

    period = Period(clock.now() - timedelta(days=1), clock.now() + timedelta(days=1))
    with hub.database.snapshot() as session:
        figures = news.figures(session, channel.project, period)
    received = paid.pay_units.units + short.pay_units.units - 1_000_000
    assert (figures["count"], figures["waiting"], figures["failed"]) == ("2", "0", "0")
    assert figures["received"].replace(".", "") == str(received)
    with pytest.raises(InvalidInvite):
        desk.join("cc_" + "a" * 26, person="9", name="Eve")


def test_a_watcher_that_does_not_run_is_late_after_a_while_and_in_time_again(hub: Hub, clock: ManualClock):
    counter = open_counter(hub, clock)
    lateness = Lateness(hub)

    def looked() -> list[str]:
        lateness.step()
        with hub.database.snapshot() as session:
            return [alarm.kind for alarm in standing_alarms(session) if alarm.kind == AlarmKind.WATCHER_LATE]

    assert looked() == []
    clock.advance(minutes=10)
    assert looked() == [], "it may be catching up"
    clock.advance(minutes=3)
    assert looked() == ["watcher_late"]
    counter.chain.skip_to(clock.now())
    counter.scanner.scan_once()
    clock.advance(seconds=11)
    assert looked() == []

"""Keep watch over the watching: providers in trouble, solidity that stands still, credited money that vanishes.

Each round asks little and changes nothing but alarms and marks. The one act is the freeze: money that was credited
from a final block and is no longer there means that finality itself was broken, or that we were lied to.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.alarms import AlarmKind, clear_alarm, raise_alarm, standing_alarms
from core.chain.addresses import parse_address
from core.chain.blocks import read_block, vouch
from core.chain.fleet import Fleet, Survey
from core.chain.node import Node
from core.errors import NodeUnavailable
from core.hub import Hub
from core.models import Alarm, Cursor, Transfer

SURVEY_EVERY_S = 60.0
VERIFY_EVERY_S = 10.0
VERIFY_DEPTH = 20  # blocks after the crediting one: a minute later, mostly by another backend of a load balancer
VERIFY_BLOCKS = 5  # in one round
PATROL_EVERY_S = 300.0  # fewer than 900 requests a day
PATROL_BLOCKS = 7 * 28_800  # a week
NEWEST = 2**63 - 1  # above every id
PROOFS_OF_LOSS = 3  # rounds in a row that must show it before everything stops
STALLED_AFTER = timedelta(minutes=3)
WHAT_TO_DO = (
    "Nothing counts from there on until they agree: look the block up elsewhere, and take the provider that is wrong "
    "out of the settings."
)
WHAT_TO_DO_WHEN_FROZEN = (
    "Nothing is credited meanwhile, and nothing is lost. Look the transaction up elsewhere: if it is there, take the "
    "provider that hides it out of the settings; if not, that money is gone. Then run `paywharf unfreeze`."
)
DISPUTE = "a final block"  # the subject of its alarm; those of others are providers


class Guard:
    """The rounds of one watcher."""

    def __init__(self, hub: Hub, fleet: Fleet) -> None:
        self._hub = hub
        self._fleet = fleet
        self._usdt20 = parse_address(hub.settings.network.usdt_contract).raw20
        self._surveyed_at_s = float("-inf")
        self._verified_at_s = float("-inf")
        self._patrolled_at_s = hub.clock.monotonic()
        self._patrol_below = NEWEST
        self._losses: dict[int, int] = {}
        self._dispute: dict[str, str] = {}

    def step(self) -> None:
        """Do what is due. Raises NodeUnavailable, WatcherFrozen by way of the next scan."""
        self.survey_if_due()
        now_s = self._hub.clock.monotonic()
        if now_s - self._verified_at_s >= VERIFY_EVERY_S:
            self._verified_at_s = now_s
            self.verify()
        if now_s - self._patrolled_at_s >= PATROL_EVERY_S:
            self.patrol()
            if not self._losses:  # what seems lost is looked at again at the next step
                self._patrolled_at_s = now_s

    def survey_if_due(self) -> None:
        """Survey once a minute, also while no block can be read: only a survey finds out that providers are back."""
        now_s = self._hub.clock.monotonic()
        if now_s - self._surveyed_at_s >= SURVEY_EVERY_S:
            self._surveyed_at_s = now_s
            self.survey()

    def note_dispute(self, sentence: str) -> None:
        """Alarm at once when the scan stands at a block that providers show differently."""
        dispute = {DISPUTE: f"{sentence} {WHAT_TO_DO}"}
        if dispute == self._dispute:
            return
        self._dispute = dispute
        with self._hub.database.transaction() as session:
            raise_alarm(
                session, kind=AlarmKind.PROVIDER_TROUBLE, subject=DISPUTE, sentence=dispute[DISPUTE],
                now=self._hub.clock.now(),
            )

    def note_progress(self) -> None:
        """Hear that blocks were applied: the next survey ends the dispute's alarm."""
        self._dispute = {}

    def survey(self) -> Survey:
        """Ask all providers how far they are, and keep the alarms about them in step."""
        survey = self._fleet.survey()
        with self._hub.database.transaction() as session:
            troubles = {trouble.provider: trouble.sentence for trouble in survey.troubles}
            self._tell_troubles(session, troubles | self._dispute)
            self._tell_stall(session, survey.solid_height)
            self._tell_stuck(session)
        return survey

    def verify(self) -> int:
        """Read crediting blocks again that are a minute old; returns how many transfers were found in place."""
        with self._hub.database.snapshot() as session:
            rows = self._unverified(session)
        heights = sorted({row.height for row in rows})[:VERIFY_BLOCKS]
        return sum(self._verify_block(height, [row for row in rows if row.height == height]) for height in heights)

    def patrol(self) -> int:
        """Read one older crediting block again, from the newest a week back and over again; 1 where it is in place.

        A block that a human has looked at after a freeze is passed over.
        """
        with self._hub.database.snapshot() as session:
            applied = session.scalar(select(Cursor.height).where(Cursor.network == self._hub.settings.network.name))
            older = (Transfer.id < self._patrol_below, Transfer.verified_at.is_not(None))
            row = session.scalar(select(Transfer).where(*older).order_by(Transfer.id.desc()).limit(1))
            if applied is None or row is None or row.height < applied - PATROL_BLOCKS:
                self._patrol_below = NEWEST
                return 0
            frozen_there = (Alarm.kind == AlarmKind.FROZEN.value, Alarm.subject == str(row.height))
            was_looked_at = session.scalar(select(Alarm.id).where(*frozen_there).limit(1)) is not None
        found = 0 if was_looked_at else self._verify_block(row.height, [row])
        if found or was_looked_at:
            self._patrol_below = row.id
        return found

    def _unverified(self, session: Session) -> list[Transfer]:
        applied = session.scalar(select(Cursor.height).where(Cursor.network == self._hub.settings.network.name))
        if applied is None:
            return []
        due = (Transfer.verified_at.is_(None), Transfer.height <= applied - VERIFY_DEPTH)
        return list(session.scalars(select(Transfer).where(*due).order_by(Transfer.height).limit(200)))

    def _verify_block(self, height: int, rows: list[Transfer]) -> int:
        """Compare one block's transfers with what the chain shows now; what it does not show now proves nothing."""
        try:
            shown = self._fleet.ask(lambda node: self._shown(node, height))
        except NodeUnavailable:
            return 0
        provider, block_id, found = shown
        lost = [row for row in rows if (row.txid, row.log_index, row.units.units) not in found]
        moved = [row for row in rows if row.block_id not in (None, block_id)]
        if lost or moved:
            self._note_loss(height, (lost + moved)[0])
            return 0
        self._losses.pop(height, None)
        with self._hub.database.transaction() as session:
            session.execute(
                update(Transfer)
                .where(Transfer.id.in_([row.id for row in rows]))
                .values(verified_at=self._hub.clock.now())
            )
        self._ask_another(height, rows, provider)
        return len(rows)

    def _ask_another(self, height: int, rows: list[Transfer], provider: str) -> None:
        """Alarm where a second provider denies what was credited. Nothing stops: the one that showed it still does."""
        try:
            other, _, found = self._fleet.ask_others(provider, lambda node: self._shown(node, height))
        except NodeUnavailable:
            return
        with self._hub.database.transaction() as session:
            for row in rows:
                if (row.txid, row.log_index, row.units.units) in found:
                    continue
                sentence = (
                    f"Transfer {row.txid} of block {height}, {row.units.six_places()} USDT, was credited as {provider} "
                    f"shows it, and {other} does not show it: look it up elsewhere, and take the provider that is "
                    "wrong out of the settings."
                )
                raise_alarm(session, kind=AlarmKind.TRANSFER_DOUBTED, subject=row.txid, sentence=sentence,
                            now=self._hub.clock.now())

    def _shown(self, node: Node, height: int) -> tuple[str, str | None, set[tuple[str, int, int]]]:
        block = read_block(node, height, usdt20=self._usdt20)
        if block is None:
            raise NodeUnavailable(f"The TRON node does not show solid block {height}.")
        block = vouch(node, block)
        logs = [log for log in block.logs if log.succeeded and log.contract20 == self._usdt20]
        return node.name, block.block_id, {(log.txid, log.log_index, log.units) for log in logs}

    def _note_loss(self, height: int, row: Transfer) -> None:
        """Count a proof of loss, and freeze at the last one: nothing is credited on a chain that takes back."""
        self._losses[height] = self._losses.get(height, 0) + 1
        if self._losses[height] < PROOFS_OF_LOSS:
            return
        why = f"transfer {row.txid} of block {height} was credited and is no longer in the solid chain."
        now = self._hub.clock.now()
        with self._hub.database.transaction() as session:
            session.execute(
                update(Cursor)
                .where(Cursor.network == self._hub.settings.network.name, Cursor.frozen_at.is_(None))
                .values(frozen_at=now, frozen_why=why)
            )
            sentence = f"Frozen: {why} {WHAT_TO_DO_WHEN_FROZEN}"
            raise_alarm(session, kind=AlarmKind.FROZEN, subject=str(height), sentence=sentence, now=now)

    def _tell_troubles(self, session: Session, troubles: dict[str, str]) -> None:
        now = self._hub.clock.now()
        for alarm in standing_alarms(session):
            if alarm.kind == AlarmKind.PROVIDER_TROUBLE and alarm.subject not in troubles:
                clear_alarm(session, kind=AlarmKind.PROVIDER_TROUBLE, subject=alarm.subject, now=now)
        for provider, sentence in troubles.items():
            raise_alarm(session, kind=AlarmKind.PROVIDER_TROUBLE, subject=provider, sentence=sentence, now=now)

    def _tell_stall(self, session: Session, solid_height: int) -> None:
        """Alarm when no provider's solid height has risen for minutes: payments stay confirming meanwhile."""
        now, network = self._hub.clock.now(), self._hub.settings.network.name
        rose = session.execute(
            update(Cursor)
            .where(Cursor.network == network, Cursor.solid_height < solid_height)
            .values(solid_height=solid_height, solid_at=now)
            .returning(Cursor.height)
        ).scalar_one_or_none()
        known = session.execute(select(Cursor.solid_height, Cursor.solid_at).where(Cursor.network == network)).first()
        if rose is not None or known is None or known.solid_at is None or now - known.solid_at <= STALLED_AFTER:
            clear_alarm(session, kind=AlarmKind.SOLID_STALLED, subject=network, now=now)
            return
        seconds = int((now - known.solid_at).total_seconds())
        sentence = f"No provider has shown a new final block for {seconds} s; the last one was {known.solid_height}."
        raise_alarm(session, kind=AlarmKind.SOLID_STALLED, subject=network, sentence=sentence, now=now)

    def _tell_stuck(self, session: Session) -> None:
        """Alarm when final blocks are shown and none has been applied for minutes, whatever the reason."""
        now, network = self._hub.clock.now(), self._hub.settings.network.name
        cursor = session.scalar(select(Cursor).where(Cursor.network == network))
        is_moving = cursor is None or cursor.solid_height <= cursor.height or now - cursor.updated_at <= STALLED_AFTER
        if cursor is None or is_moving or cursor.frozen_at is not None:
            clear_alarm(session, kind=AlarmKind.CURSOR_STUCK, subject=network, now=now)
            return
        seconds, waiting = int((now - cursor.updated_at).total_seconds()), cursor.solid_height - cursor.height
        sentence = (
            f"No block has been applied for {seconds} s although {waiting} are final: block {cursor.height + 1} cannot "
            "be read or proven. The watcher's log says why."
        )
        raise_alarm(session, kind=AlarmKind.CURSOR_STUCK, subject=network, sentence=sentence, now=now)


def unfreeze(session: Session, hub: Hub) -> bool:
    """Let the watcher go on after a human has looked; False when it is not frozen.

    What vanished is not verified again: the loss lasts, and would freeze the watcher at its next look.
    """
    network, now = hub.settings.network.name, hub.clock.now()
    for alarm in standing_alarms(session):
        if alarm.kind == AlarmKind.FROZEN:
            clear_alarm(session, kind=AlarmKind.FROZEN, subject=alarm.subject, now=now)
            lost = (Transfer.height == int(alarm.subject), Transfer.verified_at.is_(None))
            session.execute(update(Transfer).where(*lost).values(verified_at=now))
    thawed = session.execute(
        update(Cursor)
        .where(Cursor.network == network, Cursor.frozen_at.is_not(None))
        .values(frozen_at=None, frozen_why=None)
        .returning(Cursor.genesis_id)
    ).scalar_one_or_none()
    return thawed is not None

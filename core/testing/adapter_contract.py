"""The contract that every adapter keeps, ours and strangers': subclass it in a test file and run pytest.

    class TestBazaar(AdapterContract):
        adapter = Bazaar
        settings = {"url": "https://bazaar.example", "secret": "s"}
        def make_platform(self): return FakeBazaar()

It needs nothing but pytest: no network, no server, one SQLite file a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from core.channels.reading import claim_calls, read_call
from core.contract import (
    Adapter, AdapterError, BadPayload, InboundRequest, InvalidSignature, OrderPlaced, PaymentUpdate, PushResult,
)
from core.errors import EgressFailed
from core.money import Usdt
from core.testing.adapter_world import THROTTLED_S, AdapterWorld, Crash, FakePlatform, PlatformDoor
from core.testing.hubs import START

__all__ = ["AdapterContract", "AdapterWorld", "FakePlatform", "PlatformDoor"]

AMOUNT, OTHER = "50.00", "60.00"
MAX_STEPS = 40
Kind = TypeVar("Kind", bound=Exception)


class AdapterContract:
    """Tests of one adapter against its author's fake platform."""

    adapter: ClassVar[type[Adapter]]
    settings: ClassVar[Mapping[str, Any]]
    order_id: ClassVar[str] = "1001"

    def make_platform(self) -> FakePlatform:
        """Give a fresh fake platform without orders."""
        raise NotImplementedError

    def setup_method(self) -> None:
        """Build a world for each test."""
        self.world = AdapterWorld(self.adapter, self.settings, self.make_platform())

    def teardown_method(self) -> None:
        """Take it down."""
        self.world.close()

    def test_a_call_with_one_byte_changed_is_refused(self) -> None:
        """Bad signature: whatever is changed, it is InvalidSignature and nothing else."""
        call = self._placed()
        body = bytes([call.body[0] ^ 1]) + call.body[1:] if call.body else b"x"

        assert _raises(InvalidSignature, lambda: self.world.receive(replace(call, body=body)))
        assert _raises(InvalidSignature, lambda: self.world.receive(replace(call, headers={})))
        self.world.work()
        assert self.world.payments() == []

    def test_a_replayed_call_is_one_payment(self) -> None:
        """Replay: however often a call comes, also long after it was read."""
        call = self._placed()

        for _ in range(3):
            self.world.receive(call)
            self.world.work()

        assert self.world.payments() in [
            [(self.order_id, AMOUNT, "pending")], [(self.order_id, AMOUNT, "expired")],
        ]

    def test_two_calls_are_told_apart(self) -> None:
        """Delivery ids: another call has another one, the same call the same."""
        first, second = self._placed(), self.world.platform.place("1002", AMOUNT)
        adapter = self.world.adapter()

        assert adapter.verify(first) == adapter.verify(first)
        assert adapter.verify(first) is None or adapter.verify(first) != adapter.verify(second)

    def test_an_unknown_topic_is_no_event(self) -> None:
        """Unknown topic: nothing, and no error."""
        assert self.world.adapter().parse(self.world.platform.unknown()) == []

    def test_garbage_is_a_bad_payload(self) -> None:
        """Authentic nonsense is BadPayload, so that it is kept and shown."""
        assert _raises(BadPayload, lambda: self.world.adapter().parse(self.world.platform.garbage()))

    def test_an_order_that_is_gone_opens_no_payment(self) -> None:
        """Order gone: the call is a hint, the platform's present order the truth."""
        call = self._placed()
        self.world.platform.forget(self.order_id)

        self.world.receive(call)
        self.world.work()

        assert self.world.payments() == []

    def test_a_canceled_order_closes_its_payment(self) -> None:
        """Cancelled: the payment can no longer be paid."""
        self._open()

        self.world.receive(self.world.platform.cancel(self.order_id))
        self._read()

        assert self.world.payments() == [(self.order_id, AMOUNT, "canceled")]

    def test_an_edited_order_gets_a_payment_of_its_new_amount(self) -> None:
        """Edited: the old payment is closed, one of the new amount is open."""
        self._open()

        self.world.receive(self.world.platform.place(self.order_id, OTHER))
        self._read()

        assert self.world.payments() == [(self.order_id, AMOUNT, "canceled"), (self.order_id, OTHER, "pending")]

    def test_what_was_paid_is_told_once(self) -> None:
        """The whole way: order, payment, push; pushing again changes nothing."""
        self._live()

        assert len(self._effects()) == 1
        again = self.world.adapter().push(self._update("paid", 2))
        assert again in (PushResult.ALREADY, PushResult.DONE)
        assert len(self._effects()) == 1

    def test_an_older_update_after_a_newer_one_is_ignored(self) -> None:
        """Updates are numbered."""
        self._live()
        before = self._effects()

        self.world.adapter().push(self._update("detected", 1))

        assert self._effects() == before

    def test_a_throttled_push_says_how_long_to_wait(self) -> None:
        """Throttled: AdapterError, not permanent, with the platform's own Retry-After."""
        if not self._requests_of_a_push():
            return
        self._open()
        self.world.door.throttled = {self.world.door.sent}

        err = _raises(AdapterError, lambda: self.world.adapter().push(self._update("paid", 2)))

        assert not err.permanent and err.retry_after_s == THROTTLED_S
        self.world.adapter().push(self._update("paid", 2))
        assert len(self._effects()) == 1

    def test_a_push_whose_answer_is_lost_is_repeated_without_harm(self) -> None:
        """Timeout in mid-push: the platform may have acted; the next push sees that."""
        for nth in range(self._requests_of_a_push()):
            self._anew()
            self._open()
            self.world.door.lost = {self.world.door.sent + nth}
            try:
                self.world.adapter().push(self._update("paid", 2))
            except AdapterError as err:
                assert not err.permanent
            except EgressFailed:
                pass
            self.world.adapter().push(self._update("paid", 2))
            assert len(self._effects()) == 1

    def test_a_restart_between_any_two_steps_changes_nothing(self) -> None:
        """Restart: the process ends before or after any request; what is done then is done once."""
        steps = self._steps_of_a_life()
        for name in ("crash_before", "crash_after"):
            for step in range(min(steps, MAX_STEPS)):
                self._anew()
                setattr(self.world.door, name, step)
                self._survive()
                assert (name, step, self.world.payments()) == (name, step, [(self.order_id, AMOUNT, "paid")])
                assert (name, step, len(self._effects())) == (name, step, 1)

    def test_an_update_about_an_order_that_is_gone_ends(self) -> None:
        """Order gone at push: a conflict or a permanent error, so that nobody tries for days."""
        if not self._requests_of_a_push():
            return
        self._open()
        self.world.platform.forget(self.order_id)
        try:
            result = self.world.adapter().push(self._update("paid", 2))
        except AdapterError as err:
            assert err.permanent
        else:
            assert result is PushResult.CONFLICT

    def test_no_secret_shows(self) -> None:
        """Secrets of the settings stand in no repr."""
        secrets = [str(value) for name, value in self.settings.items() if name not in self.world.channel.settings]

        assert [secret for secret in secrets if secret in repr(self.world.adapter().channel)] == []

    def _placed(self) -> InboundRequest:
        return self.world.platform.place(self.order_id, AMOUNT)

    def _anew(self) -> None:
        self.teardown_method()
        self.setup_method()

    def _read(self) -> None:
        """Read what waits without letting time pass by which payments expire."""
        for claim in claim_calls(self.world.hub):
            read_call(self.world.hub, claim)

    def _open(self) -> None:
        self.world.receive(self._placed())
        self._read()
        assert self.world.payments() == [(self.order_id, AMOUNT, "pending")]

    def _live(self) -> None:
        self._open()
        self.world.pay(self.order_id)
        self.world.work()

    def _survive(self) -> None:
        """Live through a crash: each act is done again as its caller would."""
        call = self._placed()
        acts: tuple[Callable[[], object], ...] = (
            lambda: self.world.receive(call), self._read, lambda: self.world.pay(self.order_id), self.world.work,
        )
        for act in acts:
            for _ in range(2):
                try:
                    act()
                    break
                except Crash:
                    self.world.restart()

    def _steps_of_a_life(self) -> int:
        self._live()
        return self.world.door.sent

    def _requests_of_a_push(self) -> int:
        self._anew()
        self._open()
        before = self.world.door.sent
        self.world.adapter().push(self._update("paid", 2))
        requests = self.world.door.sent - before
        self._anew()
        return requests

    def _effects(self) -> Sequence[str]:
        return list(self.world.platform.effects(self.order_id))

    def _update(self, kind: str, number: int) -> PaymentUpdate:
        due = Usdt(50_000_000)
        is_paid = kind == "paid"
        placed, payment = OrderPlaced(self.order_id, AMOUNT), self.world.last_payment()
        return PaymentUpdate(
            event_id=f"evt_{number}", number=number, type=kind, at=START + timedelta(minutes=number),
            payment_id=payment.payment_id if payment else 1,
            order_id=placed.order_id, status="paid" if is_paid else "confirming", anomaly="none", due=due,
            pay_amount=due, received=due if is_paid else Usdt(0),
            txids=((payment and payment.txid) or "test_1",) if is_paid else (),
            address="T", pay_url="https://hub.example/pay/?id=1&t=t", is_test=True,
            expires_at=START + timedelta(minutes=30),
        )


def _raises(kind: type[Kind], call: Callable[[], object]) -> Kind:
    """Give what a call raises; AssertionError where that is not of the kind."""
    try:
        call()
    except kind as err:
        return err
    raise AssertionError(f"nothing raised {kind.__name__}")

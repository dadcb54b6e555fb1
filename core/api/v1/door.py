"""The door of /api/v1: one way in for every operation, from the raw request to the answer.

Order: size, signature, nonce and rate, input, idempotency key, then the operation itself in a session of its own.
Operations are declared with `operation` and listed in OPERATIONS, from which the routes and the OpenAPI document are
made: neither can know one that the other does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json import dumps
from typing import Any

from flask import Response, request
from marshmallow import Schema
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from core.api.auth import Caller, read_body, single_header
from core.api.v1 import admission
from core.api.v1.admission import Answered, Claim
from core.api.v1.auth import Signed, authenticate, signed_target
from core.api.v1.reading import read_input, read_query
from core.db import is_deadlock
from core.errors import DatabaseUnavailable, GatewayError, InvalidIdempotencyKey
from core.hub import Hub
from core.ids import Mode
from core.web import error_answer, the_hub

TRIES = 3  # against the watcher, which may settle the same payment at the same moment
KEY_LIMIT = 255  # Stripe's
PASSING = (401, 403, 429, 503)  # answers that mean "not now": kept for no idempotency key


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request, read and ready to be acted on, in a session of its own."""

    session: Session
    hub: Hub
    caller: Caller
    path: Mapping[str, str]
    query: Any
    body: Any
    can_wait: bool = False

    @property
    def is_test(self) -> bool:
        """Tell which of the project's two worlds the key belongs to; it sees nothing of the other."""
        return self.caller.credential.mode == Mode.TEST


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation answers, beside `ok`."""

    content: Mapping[str, object]
    http_status: int = 200


Act = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path: what it reads, does and answers."""

    name: str
    method: str
    rule: str
    act: Act
    answer: type[Schema]
    body: type[Schema] | None = None
    query: type[Schema] | None = None
    errors: tuple[type[GatewayError], ...] = ()
    statuses: tuple[int, ...] = (200,)
    waits: bool = False

    @property
    def writes(self) -> bool:
        """Tell whether it may change anything."""
        return self.method != "GET"


@dataclass(slots=True)
class Arrival:
    """A request on its way through the door."""

    hub: Hub
    operation: Operation
    raw: bytes
    path: Mapping[str, str]
    signed: Signed
    claim: Claim | None = None
    query: Any = None
    body: Any = field(default=None, repr=False)


OPERATIONS: list[Operation] = []


def operation(
    method: str,
    rule: str,
    *,
    answer: type[Schema],
    body: type[Schema] | None = None,
    query: type[Schema] | None = None,
    errors: tuple[type[GatewayError], ...] = (),
    statuses: tuple[int, ...] = (200,),
) -> Callable[[Act], Act]:
    """Declare an operation; the function's name and docstring are its name and description in the documents."""

    def declare(act: Act) -> Act:
        name = getattr(act, "__name__")
        OPERATIONS.append(Operation(name, method, rule, act, answer, body, query, errors, statuses))
        return act

    return declare


def serve(operation: Operation, path: Mapping[str, str]) -> Response:
    """Answer one request for an operation; raises GatewayError for the app's edge to say."""
    hub, raw = the_hub(), read_body(request)
    with hub.database.glance() as connection:
        signed = authenticate(connection, hub, request, raw)
    arrival = Arrival(hub, operation, raw, path, signed)
    refusal = _read(arrival)
    answered = _admit(arrival)
    if refusal is not None:
        raise refusal
    if isinstance(answered, GatewayError):
        raise answered
    if answered is not None:
        return _answer(answered.answer, answered.http_status, is_replay=True)
    if not operation.writes:
        return _look_up(arrival)
    answer = _execute(arrival)
    hub.wake()
    return answer


def _read(arrival: Arrival) -> GatewayError | None:
    """Read what came; a refusal is handed back, so that it costs a nonce and a request of the rate all the same."""
    operation = arrival.operation
    try:
        arrival.query = read_query(operation.query, request)
        if operation.writes:
            arrival.body = read_input(operation.body, request, arrival.raw)
            arrival.claim = _claim(arrival)
    except GatewayError as refusal:
        return refusal
    return None


def _claim(arrival: Arrival) -> Claim | None:
    if "Idempotency-Key" not in request.headers:
        return None
    key = single_header(request, "Idempotency-Key") or ""
    if not 1 <= len(key) <= KEY_LIMIT or not key.isascii() or not key.isprintable():
        raise InvalidIdempotencyKey
    words = admission.fingerprint(method=request.method, target=signed_target(request), body=arrival.raw)
    return Claim(arrival.signed.caller.credential.id, key, words)


def _admit(arrival: Arrival) -> Answered | GatewayError | None:
    hub = arrival.hub
    with hub.database.transaction() as session:
        admission.admit(session, hub, arrival.signed)
        return admission.take(session, hub, arrival.claim) if arrival.claim else None


def _look_up(arrival: Arrival) -> Response:
    with arrival.hub.database.snapshot() as session:
        reply = arrival.operation.act(_call(arrival, session))
        return _answer(_render(arrival.operation, reply), reply.http_status)


def _execute(arrival: Arrival) -> Response:
    """Act, and keep the answer for the idempotency key in the same transaction: both happen, or neither."""
    try:
        http_status, answer = _act(arrival)
        return _answer(answer, http_status)
    except GatewayError as refusal:
        _keep_refusal(arrival, refusal)
        raise
    except Exception:  # an edge: our own bug is an answer too, and the app's edge says it
        _keep_refusal(arrival, GatewayError())
        raise


def _act(arrival: Arrival) -> tuple[int, bytes]:
    for _ in range(TRIES):
        try:
            with arrival.hub.database.transaction() as session:
                reply = arrival.operation.act(_call(arrival, session))
                answer = _render(arrival.operation, reply)
                if arrival.claim:
                    admission.keep(session, arrival.claim, http_status=reply.http_status, answer=answer)
            return reply.http_status, answer
        except StaleDataError:  # the watcher was faster: decide again on what is true now
            continue
        except OperationalError as err:
            if not is_deadlock(err):
                raise
    raise DatabaseUnavailable("The payment is being settled at this moment; try again.")


def _keep_refusal(arrival: Arrival, refusal: GatewayError) -> None:
    if arrival.claim is None:
        return
    with arrival.hub.database.transaction() as session:
        if refusal.http_status in PASSING:
            admission.let_go(session, arrival.claim)
        else:
            said: bytes = error_answer(refusal).get_data()
            admission.keep(session, arrival.claim, http_status=refusal.http_status, answer=said)


def _call(arrival: Arrival, session: Session) -> Call:
    return Call(session, arrival.hub, arrival.signed.caller, arrival.path, arrival.query, arrival.body)


def _render(operation: Operation, reply: Reply) -> bytes:
    shown = operation.answer().dump({"ok": True, **reply.content})
    return dumps(shown, separators=(",", ":")).encode() + b"\n"


def _answer(answer: bytes, http_status: int, *, is_replay: bool = False) -> Response:
    said = Response(answer, http_status, mimetype="application/json")
    said.headers["Cache-Control"] = "no-store"
    if is_replay:
        said.headers["Idempotent-Replayed"] = "true"
    return said

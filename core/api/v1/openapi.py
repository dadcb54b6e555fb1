"""The OpenAPI 3.1 document of /api/v1: made from the operations and their schemas, so that it cannot say otherwise."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from core import errors
from core.api.v1.door import OPERATIONS, Operation
from core.api.v1.reading import requires_body
from core.api.v1.schemas.base import Error, FiatAmount, UsdtAmount
from core.errors import GatewayError

VERSION = "1.0"
EVERYWHERE = (
    errors.InvalidApiKey, errors.InvalidSignature, errors.InvalidTimestamp, errors.InvalidNonce, errors.NonceUsed,
    errors.RateLimited, errors.BodyTooLarge, errors.BodyUnreadable, errors.BadParameter, errors.MalformedJson,
    errors.NotFound, errors.InvalidField, errors.MissingField, errors.DatabaseUnavailable, GatewayError,
)
WHERE_WRITTEN = (
    errors.UnsupportedMediaType, errors.BodyNotObject, errors.UnknownField, errors.InvalidIdempotencyKey,
    errors.IdempotencyKeyReused, errors.IdempotencyInFlight,
)
SIGNED_BY = {
    "key": ("X-API-Key", "Your public key."),
    "timestamp": ("X-Timestamp", "The present time in Unix seconds, at most 300 s off."),
    "nonce": ("X-Nonce", "16 to 64 letters, digits, - or _; new for every request."),
    "signature": (
        "X-Signature",
        "`v1=` and hex HMAC-SHA512, keyed with your secret, over `v1\\n<timestamp>\\n<nonce>\\n<METHOD>\\n"
        "<path?query>\\n<body>`.",
    ),
}
PATH_IDS = {
    "payment_id": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "delivery_id": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "transfer_id": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "refund_id": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "event_id": {"type": "string", "pattern": "^evt_[0-9A-Za-z]{26}$"},
    "channel_id": {"type": "string", "pattern": "^ch_[0-9A-Za-z]{26}$"},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "description": "Asked again within 24 hours, the first answer comes again, with `Idempotent-Replayed: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
DESCRIPTION = (
    "USDT on TRON, paid to your own addresses. Every request is signed; each key sees its own project and mode alone. "
    "Amounts are texts, times RFC 3339. Always check `ok` first. The guide is at /docs."
)


@cache
def document(base_url: str) -> dict[str, Any]:
    """Write the document of a hub at this address."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        title="Paywharf", version=VERSION, openapi_version="3.1.0", plugins=[plugin],
        info={"description": DESCRIPTION}, servers=[{"url": base_url}],
        security=[{name: [] for name in SIGNED_BY}],
    )
    assert plugin.converter is not None
    plugin.converter.field_mapping |= {UsdtAmount: ("string", None), FiatAmount: ("string", None)}
    for name, (header, meaning) in SIGNED_BY.items():
        spec.components.security_scheme(
            name, {"type": "apiKey", "in": "header", "name": header, "description": meaning}
        )
    for operation in OPERATIONS:
        spec.path(path=path_of(operation), operations={operation.method.lower(): _operation(operation)})
    return spec.to_dict()


def path_of(operation: Operation) -> str:
    """Write an operation's path as OpenAPI does."""
    return "/api/v1" + re.sub(r"<(\w+)>", r"{\1}", operation.rule)


def refusals(operation: Operation) -> list[type[GatewayError]]:
    """List the errors an operation may answer with."""
    return [*EVERYWHERE, *(WHERE_WRITTEN if operation.writes else ()), *operation.errors]


def _operation(operation: Operation) -> dict[str, Any]:
    summary, _, description = (operation.act.__doc__ or "").strip().partition("\n")
    parameters: list[Any] = [
        {"name": name, "in": "path", "required": True, "schema": PATH_IDS[name]}
        for name in re.findall(r"<(\w+)>", operation.rule)
    ]
    if operation.query is not None:
        parameters.append({"in": "query", "schema": operation.query})
    if operation.writes:
        parameters.append(IDEMPOTENCY_KEY)
    shown: dict[str, Any] = {
        "operationId": operation.name,
        "summary": summary.rstrip("."),
        "description": " ".join(description.split()),
        "tags": [operation.rule.split("/")[1]],
        "parameters": parameters,
        "responses": _responses(operation),
    }
    if operation.body is not None:
        shown["requestBody"] = {"required": requires_body(operation.body), "content": _json(operation.body)}
    return shown


def _responses(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in operation.statuses:
        summary = (operation.answer.__doc__ or "").strip().partition("\n")[0]
        found[str(status)] = {"description": summary, "content": _json(operation.answer)}
    by_status: dict[int, list[str]] = {}
    for error in refusals(operation):
        by_status.setdefault(error.http_status, []).append(f"`{error.code}`: {error.sentence}")
    for status, sentences in sorted(by_status.items()):
        found[str(status)] = {"description": "\n\n".join(sentences), "content": _json(Error)}
    return found


def _json(schema: type[Schema]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _name(schema: Any) -> str:
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__.removesuffix("Schema")

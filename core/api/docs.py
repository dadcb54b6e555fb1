"""/docs: the guide for developers, with examples that the tests run and every operation of /api/v1.

One page, without a key, a script or anything from elsewhere; it is made once and is the same for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, render_template
from marshmallow import Schema, fields, missing, validate
from marshmallow.fields import Field
from markupsafe import Markup, escape

from core.api.v1.door import OPERATIONS, Operation
from core.api.v1.openapi import path_of, refusals
from core.errors import catalogue
from core.web import the_hub

FOLDER = Path(__file__).parent
LANGUAGES = {"curl": "curl", "php": "PHP", "python": "Python", "javascript": "Node"}
FAMILIES = {
    "payments": "Payments", "rates": "Rates", "events": "Events", "deliveries": "Deliveries", "transfers": "Transfers",
    "inbox": "The inbox", "refunds": "Refunds", "balance": "Balance", "journal": "Journal", "addresses": "Addresses",
    "channels": "Channels",
}
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

blueprint = Blueprint("docs", __name__, url_prefix="/docs", template_folder="templates")


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field as it is shown."""

    name: str
    needed: str
    meaning: Markup


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation as it is shown."""

    anchor: str
    method: str
    path: str
    summary: Markup
    more: Markup
    fields: tuple[FieldView, ...]
    answer: Markup
    codes: str


@dataclass(frozen=True, slots=True)
class FamilyView:
    """A family of operations as it is shown."""

    title: str
    operations: tuple[OperationView, ...]


@blueprint.get("")
def show_guide() -> Response:
    """Show the guide."""
    page = render_template(
        "docs/guide.html",
        hub=the_hub().settings.base_url,
        compat=snippets("compat"),
        v1=snippets("v1"),
        families=_families(),
        errors=[(error.code, error.http_status, error.sentence) for error in catalogue()],
    )
    answer = Response(page, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


@blueprint.get("/guide.css")
def show_style() -> Response:
    """Serve the guide's style."""
    return Response((FOLDER / "static" / "guide.css").read_bytes(), mimetype="text/css")


def snippets(api: str) -> list[tuple[str, str]]:
    """Give an API's examples: the language's name and the text, which tests run as it stands."""
    folder = FOLDER / "snippets"
    return [(shown, (folder / f"{api}.{name}").read_text("utf-8")) for name, shown in LANGUAGES.items()]


@cache
def _families() -> tuple[FamilyView, ...]:
    return tuple(
        FamilyView(title, tuple(_view(one) for one in OPERATIONS if one.rule.split("/")[1] == family))
        for family, title in FAMILIES.items()
    )


def _view(operation: Operation) -> OperationView:
    summary, _, more = (operation.act.__doc__ or "").strip().partition("\n")
    own = [error for error in refusals(operation) if error in operation.errors]
    return OperationView(
        anchor=operation.name.replace("_", "-"),
        method=operation.method,
        path=path_of(operation),
        summary=_marked(summary),
        more=_marked(" ".join(more.split())),
        fields=tuple(_fields(operation)),
        answer=_marked(_shape(operation.answer())),
        codes=", ".join(error.code for error in own),
    )


def _fields(operation: Operation) -> list[FieldView]:
    schema = operation.body or operation.query
    if schema is None:
        return []
    return [
        FieldView(
            name,
            "required" if field.required else "optional",
            _marked(_meaning(field)),
        )
        for name, field in schema().fields.items()
    ]


def _meaning(field: Field[Any]) -> str:
    """Say what a field is, and what its schema allows: values, length, what it is when left out."""
    meaning = str(field.metadata.get("description", ""))
    words = [f"`{value}`" for value in _values(field)]
    said = [f"One of {', '.join(words)}."] if words else []
    for rule in field.validators:
        if isinstance(rule, validate.Range) and rule.max is not None and str(rule.max) not in meaning:
            said.append(f"From {rule.min} to {rule.max}.")
        elif isinstance(rule, validate.Length) and rule.max is not None and str(rule.max) not in meaning:
            said.append(f"At most {rule.max} characters.")
    default = field.load_default
    is_worth_it = not field.required and default not in (missing, None, "") and not callable(default)
    return " ".join([meaning, *said, *([f"By default `{default}`."] if is_worth_it else [])])


def _values(field: Field[Any]) -> Sequence[str]:
    choices = [rule.choices for rule in field.validators if isinstance(rule, validate.OneOf)]
    return [str(one) for one in (choices[0] if choices else field.metadata.get("enum", ()))]


def _shape(schema: Schema, *, depth: int = 0) -> str:
    """Write what an answer holds, field by field; what lies deeper than two is in the OpenAPI document."""
    said = []
    for name, field in schema.fields.items():
        inner = field.inner if isinstance(field, fields.List) else field
        is_deep = isinstance(inner, fields.Nested) and depth < 2
        within = f" ({_shape(inner.schema, depth=depth + 1)})" if is_deep and isinstance(inner, fields.Nested) else ""
        said.append(f"`{name}`{' list' if isinstance(field, fields.List) else ''}{within}")
    return ", ".join(said)


def _marked(text: str) -> Markup:
    """Show what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))

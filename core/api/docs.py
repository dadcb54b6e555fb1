"""/docs: the guide for developers, with examples that the tests run and every operation of /api/v1.

One page, without a key, a script or anything from elsewhere; it is made once and is the same for everybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, render_template
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
            _marked(str(field.metadata.get("description", ""))),
        )
        for name, field in schema().fields.items()
    ]


def _marked(text: str) -> Markup:
    """Show what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))

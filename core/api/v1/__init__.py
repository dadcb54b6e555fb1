"""/api/v1: the same resources as the compatible API and many more, as a REST API whose requests cannot be replayed.

Families declare operations; the door serves all of them alike; the OpenAPI document is made from the same list.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from core.api.v1 import channels, deliveries, events, inbox, ledger, payments, rates, refunds
from core.api.v1.door import OPERATIONS, Operation, serve
from core.api.v1.openapi import document
from core.web import the_hub

# importing them declares their operations
FAMILIES = (payments, rates, events, deliveries, inbox, refunds, ledger, channels)

blueprint = Blueprint("v1", __name__, url_prefix="/api/v1")


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Serve the OpenAPI document; no key is needed to read it."""
    return jsonify(document(the_hub().settings.base_url))


def _add(operation: Operation) -> None:
    def view(**path: str) -> Response:
        return serve(operation, path)

    blueprint.add_url_rule(
        operation.rule, operation.name, view, methods=[operation.method], provide_automatic_options=False
    )


for one in OPERATIONS:
    _add(one)

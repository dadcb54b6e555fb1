"""The OpenAPI document: it agrees with the URL map, names every error, and the hub does as it says (schemathesis)."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import replace

import pytest
import requests
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.errors import catalogue
from core.hub import Hub
from core.testing.factories import Shop
from core.testing.v1_merchant import V1Client

PARTS = 6  # of the operations: with 300 cases each, one part takes minutes
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_document_and_url_map_agree(app: Flask):
    document = app.test_client().get("/api/v1/openapi.json").json
    documented = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    routed = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1/") and rule.rule != "/api/v1/openapi.json"
    }

    assert documented == routed
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "https://hub.example"}]
    assert len({item[method]["operationId"] for item in document["paths"].values() for method in item}) == len(routed)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_code_in_the_document_is_in_the_catalogue(app: Flask):
    text = app.test_client().get("/api/v1/openapi.json").get_data(as_text=True)
    known = {cls.code for cls in catalogue()} | {"gateway_error"}

    named = set(re.findall(r"`([a-z_]+)`: [A-Z]", text))

    assert len(named) > 30
    assert named - known == set()


def sent(client: V1Client, case: schemathesis.Case) -> Response:
    """Send a generated request, signed over the bytes that go out."""
    wanted = case.as_transport_kwargs(base_url="https://hub.example")
    wanted.pop("cookies", None)
    prepared = requests.Request(**{name: value for name, value in wanted.items() if name in (
        "method", "url", "headers", "data", "json", "params", "files",
    )}).prepare()
    raw = prepared.body or b""
    raw = raw.encode() if isinstance(raw, str) else raw
    kept = {name: value for name, value in prepared.headers.items() if not name.startswith("X-")}
    signed = client.headers(prepared.method, prepared.path_url, raw)
    answered = client.client.open(prepared.path_url, method=prepared.method, data=raw, headers=kept | signed)
    headers = {name: answered.headers.getlist(name) for name in answered.headers.keys()}
    return Response(answered.status_code, headers, answered.data, request=prepared, elapsed=0.1, verify=True)


def fuzz(
    app: Flask, hub: Hub, client: V1Client, *, examples: int, part: int = 0, parts: int = 1
) -> Counter[int]:
    """Ask every operation of a part for so many generated cases; gives how often each status was answered."""
    hub.settings = replace(hub.settings, api_rate_per_minute=0)
    document = schemathesis.openapi.from_dict(app.test_client().get("/api/v1/openapi.json").json)
    statuses: Counter[int] = Counter()
    for found in list(document.get_all_operations())[part::parts]:
        operation = found.ok()

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            answer = sent(client, case)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        check()
    return statuses


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.slow
def test_generated_requests_meet_no_bug_and_no_surprise(app: Flask, hub: Hub, test: V1Client, shop: Shop):  # Z1
    test.post("/payments", {"order_id": "A", "amount": "1.00"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        statuses = fuzz(app, hub, test, examples=8)

    assert statuses.total() > 100
    assert (statuses[200] > 20, statuses[401]) == (True, 0)  # they were let in


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["test", "live"])
@pytest.mark.parametrize("part", range(PARTS))
def test_many_generated_requests_meet_no_bug_and_no_surprise(
    app: Flask, hub: Hub, test: V1Client, live: V1Client, mode: str, part: int
):
    """300 cases for each operation, in parts that each end within the limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        statuses = fuzz(app, hub, test if mode == "test" else live, examples=300, part=part, parts=PARTS)

    assert statuses.total() > 300

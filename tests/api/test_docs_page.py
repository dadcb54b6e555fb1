"""The guide for developers: complete, without scripts or foreign files, and with the contract's warnings."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from core.api.docs import snippets
from core.api.v1.door import OPERATIONS
from core.errors import catalogue


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_guide_shows_everything_there_is(app: Flask):
    answer = app.test_client().get("/docs")
    page = answer.get_data(as_text=True)
    anchors = set(re.findall(r'<article id="([\w-]+)"', page))

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert anchors == {operation.name.replace("_", "-") for operation in OPERATIONS}
    assert [error.code for error in catalogue() if f"<code>{error.code}</code>" not in page] == []
    assert len(snippets("v1")) == len(snippets("compat")) == 4
    assert "`" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)
    for words in ("on your backend only", "X-Signature", "success redirect", "Always check <code>ok</code> first"):
        assert words in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_guide_says_what_a_field_may_be_and_what_an_answer_holds(app: Flask):
    page = app.test_client().get("/docs").get_data(as_text=True)
    _, _, simulate = page.partition('<article id="simulate-payment">')
    _, _, events = page.partition('<article id="list-events">')

    assert "One of <code>exact</code>, <code>complete</code>" in simulate.partition("</article>")[0]
    for words in ("<code>newest</code>", "From 0 to 25.", "By default <code>50</code>.", "<code>next_cursor</code>"):
        assert words in events.partition("</article>")[0]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_guide_needs_nothing_from_elsewhere_and_no_script(app: Flask):
    client = app.test_client()
    answer = client.get("/docs")
    page = answer.get_data(as_text=True)
    loaded = re.findall(r'(?:src=|<link[^>]*href=)"([^"]+)"', page)
    local = re.findall(r'href="#([\w-]+)"', page)

    assert (loaded, "<script" in page, "style=" in page) == (["docs/guide.css"], False, False)
    assert client.get("/docs/guide.css").mimetype == "text/css"
    assert client.get("/api/v1/openapi.json").status_code == 200
    assert [name for name in local if f'id="{name}"' not in page] == []
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")

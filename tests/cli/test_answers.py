"""How commands answer: tables, lists, one sentence for an error."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from core.cli.answers import Answer, answering, database_trouble, listing, shown, table
from core.errors import NotFound


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [{"a_b": 1, "c": "long text"}, {"a_b": 22, "c": None}]

    assert table(rows, ("a_b", "c"), empty="none").splitlines() == ["a b  c", "1    long text", "22   -"]


def test_an_empty_table_is_a_sentence() -> None:
    assert table([], ("a",), empty="Nothing yet.") == "Nothing yet."


def test_a_listing_leaves_out_what_nobody_has_set() -> None:
    assert listing([("a_name", "x"), ("b", None), ("c", ""), ("d", False)]) == "a name  x\nd       no"


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\rb", "\u202e", "line\nbreak", "\x00", "\x9b31m"])
def test_what_merchants_sent_cannot_move_the_cursor(hostile: str) -> None:
    assert "?" in shown(hostile)
    assert not set(shown(hostile)) & set("\x1b\r\u202e\n\x00\x9b")


def _command(act):  # type: ignore[no-untyped-def]
    @click.command()
    @answering
    def command(roof: object) -> Answer:
        return act()

    return command


def test_a_known_error_is_one_sentence_and_code_1() -> None:
    def act() -> Answer:
        raise NotFound("There is no such thing.")

    result = CliRunner().invoke(_command(act), [], obj=object())

    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: There is no such thing.\n")


def test_a_known_error_is_one_document_too_with_json() -> None:
    def act() -> Answer:
        raise NotFound("There is no such thing.")

    result = CliRunner().invoke(_command(act), ["--json"], obj=object())

    assert json.loads(result.stdout) == {"ok": False, "error": "There is no such thing.", "code": "not_found"}
    assert result.stderr == "Error: There is no such thing.\n"
    assert result.exit_code == 1


def test_our_own_bug_keeps_its_traceback() -> None:
    def act() -> Answer:
        raise ZeroDivisionError

    result = CliRunner().invoke(_command(act), [], obj=object())

    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize(("said", "sentence"), [
    ("disk I/O error", "The database cannot be used: disk I/O error. Is the disk full?"),
    ("connection refused\nIs the server running?", "The database cannot be used: connection refused."),
])
def test_what_a_database_says_is_one_sentence(said: str, sentence: str) -> None:
    err = OperationalError("SELECT 1", None, Exception(said))

    assert database_trouble(err).sentence == sentence

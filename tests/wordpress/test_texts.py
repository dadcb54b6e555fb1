"""The plugin speaks the shop's language: the template has every text, each translation all of them (W24)."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest

from plugins.woocommerce import wordpress_texts as texts

LOCALES = ("de_DE", "es_ES", "fr_FR", "ru_RU")
PLACEHOLDER = re.compile(r"%(?:\d\$)?[sd]")


def test_w24_the_template_has_every_text():
    assert (texts.LANGUAGES / "paywharf.pot").read_text("utf-8") == texts.template(), (
        "run python -m plugins.woocommerce.wordpress_texts"
    )
    assert len(texts.texts()) > 100


def test_no_text_of_the_plugin_escapes_the_template():
    """Every translating call has one literal text and our domain: anything else would never be found."""
    calls = re.compile(r"\b(?:__|_e|_x|_n|esc_html__|esc_attr__|esc_html_e|esc_attr_e|esc_html_x)\(")
    for path in texts.FOLDER.rglob("*.php"):
        source = path.read_text("utf-8")
        assert len(calls.findall(source)) == len(texts.CALL.findall(source)), path.name


@pytest.mark.parametrize("locale", LOCALES)
def test_each_language_is_whole_and_keeps_the_places_for_values(locale: str):
    catalogue = texts.read_po((texts.LANGUAGES / f"paywharf-{locale}.po").read_text("utf-8"))
    del catalogue[""]

    assert catalogue.keys() == texts.texts().keys()
    places = {text: (sorted(PLACEHOLDER.findall(text)), sorted(PLACEHOLDER.findall(said)))
              for text, said in catalogue.items()}
    assert {text: pair for text, pair in places.items() if pair[0] != pair[1]} == {}
    assert [text for text, said in catalogue.items() if not said.strip()] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_wordpress_reads_is_what_was_translated(locale: str):
    path = texts.LANGUAGES / f"paywharf-{locale}.mo"
    catalogue = texts.read_po(path.with_suffix(".po").read_text("utf-8"))

    with path.open("rb") as file:
        read = gettext.GNUTranslations(file)

    assert {text: read.gettext(text) for text in texts.texts()} == {text: catalogue[text] for text in texts.texts()}


def test_a_po_file_of_several_lines_and_escapes_is_read():
    text = 'msgid ""\nmsgstr "Language: de\\n"\n\nmsgid "A \\"b\\"\\n"\n"c"\nmsgstr "D \\\\ "\n"e"\n'

    assert texts.read_po(text) == {"": "Language: de\n", 'A "b"\nc': "D \\ e"}


def test_the_folder_has_nothing_else():
    names = {path.name for path in Path(texts.LANGUAGES).iterdir()}

    assert names == {"paywharf.pot"} | {f"paywharf-{locale}.{end}" for locale in LOCALES for end in ("po", "mo")}

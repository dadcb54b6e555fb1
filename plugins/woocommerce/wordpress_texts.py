"""Keeps the WordPress plugin's texts: writes the template from the PHP, and compiles what translators wrote.

Run it with `python -m plugins.woocommerce.wordpress_texts` after a text or a translation has changed; what it writes is
committed, so that shops need no build step. It translates nothing itself.
"""

from __future__ import annotations

import re
import struct
import sys

from plugins.woocommerce.wordpress_zip import FOLDER

LANGUAGES = FOLDER / "languages"
DOMAIN = "paywharf"
CALL = re.compile(r"\b(?:__|esc_html__|esc_attr__|esc_html_e|esc_attr_e|_e)\(\s*'((?:[^'\\]|\\.)*)',\s*'paywharf'\s*\)")
ENTRY = re.compile(r'^msgid ((?:"(?:[^"\\]|\\.)*"\s*)+)msgstr ((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
ESCAPES = {"n": "\n", "t": "\t"}
MO_MAGIC = 0x950412DE  # of GNU gettext's binary catalogues


def texts() -> dict[str, list[str]]:
    """Give every text of the plugin with the files that show it."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.rglob("*.php")):
        for match in CALL.finditer(path.read_text("utf-8")):
            where = found.setdefault(re.sub(r"\\(.)", r"\1", match[1]), [])
            name = path.relative_to(FOLDER).as_posix()
            where += [] if name in where else [name]
    return found


def template() -> str:
    """Write the .pot file: no dates in it, so that it changes only with the texts."""
    head = f'msgid ""\nmsgstr ""\n"Project-Id-Version: {DOMAIN}\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    entries = [
        "".join(f"#: {name}\n" for name in where) + f"msgid {_quoted(text)}\nmsgstr \"\"\n"
        for text, where in texts().items()
    ]
    return "\n".join([head, *entries])


def read_po(text: str) -> dict[str, str]:
    """Read a .po file: translations by text; the head stands under an empty text."""
    return {_unquoted(match[1]): _unquoted(match[2]) for match in ENTRY.finditer(text)}


def compiled(catalogue: dict[str, str]) -> bytes:
    """Write a .mo file of what is translated (GNU gettext manual, "The Format of GNU MO Files")."""
    pairs = sorted((text.encode(), said.encode()) for text, said in catalogue.items() if said)
    table_size, start = 8 * len(pairs), 28 + 16 * len(pairs)
    offsets: list[tuple[int, int]] = []
    blob = b""
    for column in (0, 1):
        for pair in pairs:
            offsets.append((len(pair[column]), start + len(blob)))
            blob += pair[column] + b"\0"
    head = struct.pack("<7I", MO_MAGIC, 0, len(pairs), 28, 28 + table_size, 0, start)
    return head + b"".join(struct.pack("<2I", *one) for one in offsets) + blob


def main() -> None:
    """Write the template, and compile every translation."""
    (LANGUAGES / f"{DOMAIN}.pot").write_text(template(), "utf-8")
    for path in sorted(LANGUAGES.glob("*.po")):
        path.with_suffix(".mo").write_bytes(compiled(read_po(path.read_text("utf-8"))))
    sys.stdout.write(f"{len(texts())} texts\n")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _unquoted(lines: str) -> str:
    joined = "".join(QUOTED.findall(lines))
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), joined)


if __name__ == "__main__":
    main()

"""Packs the WordPress plugin: the same files always give the same bytes, so that a checksum means something.

It packs what lies in the folder and nothing that a shop must not get: no dotfiles, no tests, no sources of translations
beyond what WordPress itself reads.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "wordpress" / "paywharf"
PACKED_AT = (2026, 1, 1, 0, 0, 0)  # any fixed moment: a zip's times would change with each checkout
MODE = 0o100644 << 16


def plugin_zip() -> bytes:
    """Give the plugin as a zip whose top folder is its slug, as WordPress wants it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in plugin_files():
            entry = zipfile.ZipInfo(f"{FOLDER.name}/{path.relative_to(FOLDER).as_posix()}", PACKED_AT)
            entry.external_attr, entry.compress_type = MODE, zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return packed.getvalue()


def plugin_files() -> list[Path]:
    """List the plugin's files in a fixed order."""
    return sorted(path for path in FOLDER.rglob("*") if path.is_file() and not path.name.startswith("."))

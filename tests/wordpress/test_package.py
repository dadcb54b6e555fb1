"""The plugin as a package: what WordPress, its Plugin Check and a careful reader demand of the files themselves."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from plugins.woocommerce.wordpress_zip import FOLDER, plugin_files, plugin_zip

SOURCES = {path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in sorted(FOLDER.rglob("*.php"))}
MAIN, README = SOURCES["paywharf.php"], (FOLDER / "readme.txt").read_text("utf-8")
HEADERS = {
    "Requires at least": "6.5", "Requires PHP": "7.4", "Requires Plugins": "woocommerce", "License": "GPL-2.0-or-later",
    "Text Domain": "paywharf", "Domain Path": "/languages",
}
FORBIDDEN = {  # what Plugin Check refuses or asks about: why
    r"\b(?:eval|exec|shell_exec|system|passthru|proc_open|popen|create_function)\s*\(": "runs code or commands",
    r"\bcurl_\w+\s*\(": "goes past WordPress' HTTP client",
    r"\b(?:file_put_contents|fwrite|fputs|move_uploaded_file|unlink|mkdir)\s*\(": "writes files",
    r"(?<!wp_safe_)(?<!function )\bwp_redirect\s*\(": "redirects anywhere",
    r"\bwp_safe_remote_\w+": "refuses hubs on a LAN and most ports",
    r"\b(?:get|update|add|delete)_post_meta\s*\(": "misses orders in WooCommerce's own tables",
    r"https?://(?:localhost|127\.0\.0\.1)": "is somebody's own machine",
    r"\bvar_dump\s*\(|\bprint_r\s*\(|\berror_log\s*\(": "is left over from debugging",
    r"\bextract\s*\(|\bunserialize\s*\(": "takes what it is given",
    r"\?->|\bmatch\s*\(|\breadonly\b|\benum\s+\w|#\[": "is not PHP 7.4",
}


@pytest.mark.parametrize(("header", "value"), HEADERS.items())
def test_the_header_says_what_wordpress_needs(header: str, value: str):
    assert re.search(rf"^ \* {re.escape(header)}:\s+{re.escape(value)}$", MAIN, re.MULTILINE)


def test_all_versions_agree():
    header = re.search(r"^ \* Version:\s+(\S+)$", MAIN, re.MULTILINE)
    constant = re.search(r"'PAYWHARF_VERSION', '([^']+)'", MAIN)
    stable = re.search(r"^Stable tag: (\S+)$", README, re.MULTILINE)

    assert header and constant and stable
    assert header[1] == constant[1] == stable[1]
    assert f"= {header[1]} =" in README
    assert "Requires PHP: 7.4" in README and "== External services ==" in README


@pytest.mark.parametrize("name", SOURCES)
def test_no_file_does_anything_when_it_is_opened_directly(name: str):
    guards = r"defined\( '(ABSPATH|WP_UNINSTALL_PLUGIN)' \)|class_exists\( 'Paywharf_Error', false \)"
    guard = re.search(guards, SOURCES[name])
    assert guard, "no guard"
    assert not re.search(r"^(?:add_action|add_filter|require)", SOURCES[name][:guard.start()], re.MULTILINE)


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_done_that_plugin_check_refuses(name: str):
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", SOURCES[name], flags=re.DOTALL)
    found = {why: match[0] for pattern, why in FORBIDDEN.items() if (match := re.search(pattern, code))}

    assert found == {}


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_printed_is_escaped_where_it_is_printed(name: str):
    for line in SOURCES[name].splitlines():
        if re.match(r"\s*(?:echo|printf)\b", line) and "$" in line:
            assert "esc_" in line or "phpcs:ignore WordPress.Security.EscapeOutput" in line, line


@pytest.mark.parametrize("name", SOURCES)
def test_names_are_ours(name: str):
    code = SOURCES[name]
    names = re.findall(r"^\s*(?:final |abstract )?class (\w+)", code, re.MULTILINE)
    names += re.findall(r"^function (\w+)", code, re.MULTILINE) + re.findall(r"define\( '(\w+)'", code)

    assert [one for one in names if not one.lower().startswith("paywharf")] == []


def test_input_is_taken_off_its_slashes_and_cleaned():
    for name, code in SOURCES.items():
        for line in code.splitlines():
            if re.search(r"\$_(?:GET|POST|REQUEST)\b", line):
                assert re.search(r"absint\(|sanitize_text_field\( wp_unslash\(", line), f"{name}: {line}"


def test_w24_nobody_is_asked_but_the_hub():
    """Every address in the code is a licence, an example, or the explorer that a click on a transaction opens."""
    files = [path for path in plugin_files() if path.suffix in (".php", ".js")]
    hosts = {host for path in files for host in re.findall(r"https?://([a-z0-9.-]+\.[a-z]+)", path.read_text("utf-8"))}

    assert hosts == {"www.gnu.org", "pay.example.com", "tronscan.org"}


def test_the_zip_is_the_same_each_time_and_holds_one_folder_without_hidden_files():
    first, second = plugin_zip(), plugin_zip()
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        names = archive.namelist()

    assert first == second
    assert {name.split("/")[0] for name in names} == {"paywharf"}
    assert len(names) == len(plugin_files()) and "paywharf/paywharf.php" in names
    endings = {".php", ".js", ".svg", ".txt", ".pot", ".po", ".mo"}
    assert [name for name in names if "/." in name or not any(name.endswith(end) for end in endings)] == []

"""The plugin as a package: what WordPress, its Plugin Check and a careful reader demand of the files themselves."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest

from plugins.woocommerce.wordpress_zip import FOLDER, plugin_files, plugin_zip
from tests.wordpress import test_php_versions, test_texts

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


def test_the_database_is_asked_directly_only_prepared_and_for_a_reason():
    lines = [line for code in SOURCES.values() for line in code.splitlines()]
    direct = [line for line in lines if re.search(r"\$wpdb->(?:query|get_\w+|insert|update|delete|replace)\(", line)]

    assert len(direct) > 4
    assert [line for line in direct if "$wpdb->prepare(" not in line or "DirectDatabaseQuery -- " not in line] == []


def test_scripts_are_enqueued_at_the_foot_with_a_version_and_never_written_into_the_page():
    code = "".join(SOURCES.values())
    calls = re.findall(r"wp_(?:register|enqueue)_(?:script|style)\((.*?)\);", code, re.DOTALL)

    assert len(calls) == 2
    assert [call for call in calls if not re.search(r"PAYWHARF_VERSION,\s*true\s*$", call)] == []
    assert not re.search(r"<(?:script|style|link)\b|\son\w+=", code)


def test_the_scripts_bring_no_library_and_no_text_of_their_own():
    """WordPress' own element library alone: another React would be a second one. Texts come translated from PHP."""
    scripts = "".join(path.read_text("utf-8") for path in plugin_files() if path.suffix == ".js")

    assert not re.search(r"\bReact\b|\bimport\b|\brequire\(|eval\(|innerHTML|fetch\(['\"]http", scripts)
    assert not re.search(r"['\"][A-Z][a-z]+ [a-z]+", re.sub(r"/\*.*?\*/|//[^\n]*", "", scripts, flags=re.DOTALL))


def test_the_name_takes_no_trademark_to_itself_and_nothing_updates_itself():
    name = re.search(r"^ \* Plugin Name:\s+(.+)$", MAIN, re.MULTILINE)
    code = "".join(SOURCES.values())

    assert name and README.startswith(f"=== {name[1]} ===")
    assert not re.match(r"woo|wc\b|wordpress|wp\b", name[1].lower())
    assert name[1].lower().endswith("for woocommerce")
    assert not re.search(r"Update URI|update_plugins|plugins_api|pre_set_site_transient", code)


def test_the_plugin_stores_nothing_of_a_person():
    code = "".join(SOURCES.values())

    assert not re.search(r"billing_|shipping_|get_billing|get_shipping|user_email|REMOTE_ADDR|get_customer", code)


def test_the_readme_is_as_the_directory_wants_it():
    head = README.split("\n\n")
    tags = re.search(r"^Tags: (.+)$", README, re.MULTILINE)

    assert tags and len(tags[1].split(", ")) <= 5
    assert 0 < len(head[1]) <= 150
    assert "Requires at least: 6.5" in README and re.search(r"^Tested up to: \d+\.\d+$", README, re.MULTILINE)
    assert "License: GPL-2.0-or-later" in README


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


def test_every_acceptance_case_of_a_shop_has_a_test_of_its_number():
    """W1 to W27, by the tests' names."""
    sources = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = {int(number) for name in re.findall(r"^def test_(\w+)", sources, re.MULTILINE)
             for number in re.findall(r"(?:^|_)w(\d+)(?=_)", name)}

    assert named == set(range(1, 28))


PLUGIN_CHECK = {  # its rule: the test that keeps it
    "direct_file_access": test_no_file_does_anything_when_it_is_opened_directly,
    "late_escaping": test_what_is_printed_is_escaped_where_it_is_printed,
    "safe_redirect, write_file, localhost": test_nothing_is_done_that_plugin_check_refuses,
    "i18n_usage": test_texts.test_no_text_of_the_plugin_escapes_the_template,
    "prefixing": test_names_are_ours,
    "direct_db, direct_db_queries": test_the_database_is_asked_directly_only_prepared_and_for_a_reason,
    "enqueued_*": test_scripts_are_enqueued_at_the_foot_with_a_version_and_never_written_into_the_page,
    "react_usage": test_the_scripts_bring_no_library_and_no_text_of_their_own,
    "file_type": test_the_zip_is_the_same_each_time_and_holds_one_folder_without_hidden_files,
    "trademarks, plugin_updater": test_the_name_takes_no_trademark_to_itself_and_nothing_updates_itself,
    "plugin_readme": test_the_readme_is_as_the_directory_wants_it,
    # The site of these tests is WordPress 6.5.5, the oldest that the plugin promises to run on.
    "wp_functions_compatibility": test_php_versions.test_w23_every_promised_php_boots_the_site_without_a_notice,
    # Orders' own exporter of WooCommerce gives what is personal; the plugin stores payment numbers and transactions.
    "personal_data_exporter": test_the_plugin_stores_nothing_of_a_person,
}


def test_each_rule_of_plugin_check_is_kept_by_a_test():
    assert all(callable(one) for one in PLUGIN_CHECK.values())

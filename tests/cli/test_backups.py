"""`paywharf backup` and `restore` as an operator meets them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.cli.roof import Roof
from core.cli.root import main
from core.projects.vault import Vault
from core.testing.factories import make_payment, make_shop
from tests.cli.conftest import Ask, Run

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_an_operator_is_told_where_the_key_is_and_that_it_is_not_inside(run: Run, roof: Roof, tmp_path: Path):
    roof.__dict__["settings"] = replace(roof.settings, master_key_file=tmp_path / "master.key")

    result = run("backup", f"{tmp_path}/file")

    assert result.exit_code == 0
    assert f"The master key is not in it. Keep a copy of it apart: {tmp_path}/master.key." in result.stdout


def test_there_and_back(run: Run, ask: Ask, roof: Roof, tmp_path: Path):
    payment = make_payment(roof.hub, make_shop(roof.hub))
    made = ask("backup", f"{tmp_path}/file")

    assert (made["rows"]["payment"], made["unknown_keys"]) == (1, [])
    assert ask("restore", f"{tmp_path}/file", "--force", "--check")["restored"] is False
    assert ask("restore", f"{tmp_path}/file", "--force")["restored"] is True
    assert ask("payment", "show", str(payment.payment_id))["order_id"] == "ORDER_1"


def test_a_backup_is_checked_beside_a_hub_that_is_in_use(run: Run, ask: Ask, roof: Roof, tmp_path: Path):
    make_payment(roof.hub, make_shop(roof.hub))
    run("backup", f"{tmp_path}/file")

    checked = run("restore", f"{tmp_path}/file", "--check")

    assert (checked.exit_code, "can be restored here" in checked.stdout) == (0, True)
    assert "Not yet: The database is not empty" in checked.stdout
    assert ask("restore", f"{tmp_path}/file", "--check", "--force")["hindrance"] == ""


def test_a_missing_key_is_named_before_a_new_one_is_made(
    run: Run, roof: Roof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_payment(roof.hub, make_shop(roof.hub))
    run("backup", f"{tmp_path}/file")
    monkeypatch.setenv("PAYWHARF_DATA_DIR", str(tmp_path))

    refused = CliRunner().invoke(main, ["restore", f"{tmp_path}/file", "--check"], obj=Roof())

    assert (refused.exit_code, f"Put it back at {tmp_path}/master.key." in refused.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_refusal_is_one_sentence_and_changes_nothing(run: Run, roof: Roof, tmp_path: Path):
    make_payment(roof.hub, make_shop(roof.hub))
    run("backup", f"{tmp_path}/file")

    refused = [
        run("restore", f"{tmp_path}/file"),
        run("backup", f"{tmp_path}/file"),
        run("restore", f"{tmp_path}/nothing", "--force"),
        run("backup", f"{tmp_path}/no/such/folder"),
    ]

    assert [(one.exit_code, one.stderr.count("\n"), one.stderr[:7]) for one in refused] == [(1, 1, "Error: ")] * 4
    assert run("payment", "list").stdout.count("ORDER_1") == 1


def test_a_key_that_does_not_fit_is_refused_and_named(run: Run, roof: Roof, tmp_path: Path):
    make_payment(roof.hub, make_shop(roof.hub))
    run("backup", f"{tmp_path}/file")
    roof.bare_hub.vault = Vault((("t1", bytes(32)),))

    refused = run("restore", f"{tmp_path}/file", "--force")
    flagged = run("restore", f"{tmp_path}/file", "--force", "--without-key")

    assert (refused.exit_code, "needs t1" in refused.stderr) == (1, True)
    assert (flagged.exit_code, "Master key t1 is missing" in flagged.stdout) == (0, True)

"""Every PHP that the plugin promises boots the whole site without a complaint about the plugin (W23)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.wordpress.site import HERE, LAB, Site, require_lab
from tests.wordpress.test_rules import PLUGIN

pytestmark = [pytest.mark.slow, pytest.mark.wordpress, pytest.mark.xdist_group("wordpress")]
SIGNED = "dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355"  # "body" with the key "secret"


@pytest.mark.parametrize("versions", [("7.4", "8.0"), ("8.2", "8.4"), ("8.5",)], ids="-".join)
def test_w23_every_promised_php_boots_the_site_without_a_notice(site: Site, versions: tuple[str, ...]):
    """PHP as WebAssembly reads the very site that serves the other tests; two at once.

    Each has tables of its own: WebAssembly knows no locks, and two writers would spoil them.
    """
    runs = {version: _boot(version, site) for version in versions}

    said = {version: run.communicate(timeout=90) for version, run in runs.items()}

    logged = site.folder / "wp-content" / "debug.log"
    why = logged.read_text(errors="replace")[-2000:] if logged.exists() else ""
    found = {version: _told(version, *both, why) for version, both in said.items()}
    assert found == {
        version: {
            "php": version, "title": "USDT (TRC20)", "blocks": "USDT (TRC20)", "form": True, "signature": SIGNED,
            "complaints": [],
        }
        for version in versions
    }


def test_debians_php_reads_every_file(tmp_path: Path):
    """`php -l` of the machine's own PHP; the others read the files by running them."""
    files = sorted(PLUGIN.rglob("*.php"))

    run = subprocess.run(["php", "-l", *map(str, files)], capture_output=True, text=True, timeout=60)

    assert (run.returncode, run.stderr) == (0, "")
    assert len(files) > 15


def _boot(version: str, site: Site) -> subprocess.Popen[str]:
    require_lab()
    site.copy_database(f"database-{version}")
    node = shutil.which("node") or pytest.fail("node is not installed: run `make setup-test`.")
    return subprocess.Popen(
        [node, str(HERE / "php" / "wasm.mjs"), str(LAB / "node_modules"), version, str(HERE / "php" / "boot.php"),
         str(site.folder), f"database-{version}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def _told(version: str, said: str, complained: str, logged: str) -> object:
    assert "BOOTED " in said, f"PHP {version}: {said[-2000:]}{complained[-2000:]}{logged}"
    return json.loads(said.rsplit("BOOTED ", 1)[1])

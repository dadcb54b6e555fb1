"""`paywharf demo`: everything set up and running on one machine with play money; what `make run` calls."""

from __future__ import annotations

import json
from pathlib import Path

import click

from core.cli.answers import one_sentence
from core.cli.roof import Roof


@click.command()
@click.option("--port", type=click.IntRange(1, 65_532), default=8080, show_default=True,
              help="The hub's port; devnet, shop and imitated chat take the next three.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), default="var", show_default=True,
              envvar="PAYWHARF_DATA_DIR", help="Where database, chain, keys and logs are kept.")
@click.option("--json", "as_json", is_flag=True, help="Once it runs, answer with demo.json.")
@click.pass_obj
def demo(roof: Roof, port: int, data_dir: Path, as_json: bool) -> None:
    """Set up and run hub, simulated TRON network, demo shop and demo bot, until Ctrl-C.

    The first start makes a merchant, a project and its keys; later starts go on with the same data, on other ports
    too. Development settings are on: this is not for real money.
    """
    from core.cli.demo_run import Demo

    with one_sentence(as_json=as_json):
        running = Demo(roof, port=port, folder=data_dir.resolve())
        running.run(lambda document, summary: click.echo(json.dumps(document, indent=2) if as_json else summary))

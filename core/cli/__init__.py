"""The command line: what operators and developers do to a hub, one file a family of commands.

Importing this package reads no settings and loads no heavy room: `--help` must be quick. Commands import what they
need when they run, and build the hub through `Roof`.
"""

from core.cli.root import main

__all__ = ["main"]

"""`python -m core.cli` is `paywharf`: how the supervisor starts its children, wherever the script was installed."""

from core.cli import main

main()

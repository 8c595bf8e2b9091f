"""The command's entry. The client is started without the server's modules, which take a second or two to import."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] in (["jobs"], ["tasks"]):
        from server.client.commands import main as run
    else:
        from server.cli import main as run
    run()


if __name__ == "__main__":
    main()

"""Where the built playground lies, and the page the server answers browsers with.

It reads what a build left behind. It never builds, and knows nothing of HTTP.
"""

from functools import cache
from pathlib import Path

GRAPHIQL_DIR: Path = Path(__file__).parent / "dist" / "graphiql"
"""The folder to serve at `{root_path}/static/graphiql/`."""

DASHBOARD_DIR: Path = Path(__file__).parent / "dist" / "dashboard"
"""The folder to serve at `{root_path}/static/dashboard/`."""

_BASE = b'<base href="./" />'


class PlaygroundNotBuilt(RuntimeError):
    """A built page is missing."""

    def __init__(self, page: Path) -> None:
        super().__init__(f"{page} is missing: run `make playground` to build it.")


@cache
def graphiql_page() -> bytes:
    """Return the HTML page to serve at `{root_path}/graphql`, read from disk once.

    The page names its files relative to its own address, so the same bytes serve every path prefix.

    Raises:
        PlaygroundNotBuilt: The page is not there.
    """
    return _read(GRAPHIQL_DIR / "index.html")


@cache
def dashboard_page(depth: int = 0) -> bytes:
    """Return the HTML page of the dashboard, read from disk once.

    The page's `<base>` leads to where the dashboard is mounted, so it need not know of the path prefix.

    Args:
        depth: how many folders the page's address is below that place: 0 for `/jobs`, 1 for `/jobs/ID`.

    Raises:
        PlaygroundNotBuilt: The page is not there.
    """
    page = _read(DASHBOARD_DIR / "index.html")
    return page.replace(_BASE, b'<base href="%s" />' % (b"../" * depth), 1) if depth else page


def _read(page: Path) -> bytes:
    try:
        return page.read_bytes()
    except FileNotFoundError as error:
        raise PlaygroundNotBuilt(page) from error

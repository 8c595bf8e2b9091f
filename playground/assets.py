"""Where the built playground lies, and the page the server answers browsers with.

It reads what a build left behind. It never builds, and knows nothing of HTTP.
"""

from functools import cache
from pathlib import Path

GRAPHIQL_DIR: Path = Path(__file__).parent / "dist" / "graphiql"
"""The folder to serve at `{root_path}/static/graphiql/`."""


class PlaygroundNotBuilt(RuntimeError):
    """The built GraphiQL page is missing."""

    def __init__(self, page: Path) -> None:
        super().__init__(f"{page} is missing: run `make playground` to build it.")


@cache
def graphiql_page() -> bytes:
    """Return the HTML page to serve at `{root_path}/graphql`, read from disk once.

    The page names its files relative to its own address, so the same bytes serve every path prefix.

    Raises:
        PlaygroundNotBuilt: The page is not there.
    """
    page = GRAPHIQL_DIR / "index.html"
    try:
        return page.read_bytes()
    except FileNotFoundError as error:
        raise PlaygroundNotBuilt(page) from error

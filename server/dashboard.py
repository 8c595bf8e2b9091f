"""The dashboard's page at each of its addresses. What it shows, it asks of ``/graphql`` itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from playground.assets import dashboard_page

PAGES = ("/", "/jobs", "/jobs/{id}", "/schedules", "/webhooks")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def dashboard_routes() -> list[Route]:
    """Routes to the one page, which reads its address to know what to show."""
    return [Route(path, _page_at(path.count("/") - 1), methods=["GET"]) for path in PAGES]


def _page_at(depth: int) -> Callable[[Request], Awaitable[Response]]:
    async def page(_request: Request) -> Response:
        return Response(dashboard_page(depth), media_type="text/html", headers=HEADERS)

    return page

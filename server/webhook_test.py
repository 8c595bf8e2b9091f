"""``/webhook-test``: a receiver to try webhooks with. It keeps the last hundred in memory and answers as it is told.

POST receives. ``?answer=500`` (any status), ``?answer=redirect`` or ``?answer=slow`` (``&seconds=30``) in the URL
choose the answer; PUT with the same parameters chooses it for all that comes without one. GET shows what came, newest
first: as a page to browsers, as JSON to others. DELETE forgets it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from engine.clock import Clock, SystemClock
from engine.errors import Unavailable
from engine.webhooks import sign
from server.webhook_test_page import HEADERS, page

KEPT = 100
MAX_BYTES = 1_048_576
MAX_AGE_SECONDS = 300
BODILESS = (204, 205, 304)
DEFAULT_SLOW_SECONDS, MAX_SLOW_SECONDS = 20.0, 120.0
USAGE = "answer: give a status from 200 to 599, or redirect, or slow; seconds: 0 to 120"


class WebhookTest:
    """The receiver.

    Args:
        keys: what may have signed: WEBHOOK_SECRET and the secrets of endpoints.
    """

    def __init__(self, keys: Callable[[], Awaitable[Sequence[bytes]]], clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._keys = keys
        self._received: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._answer, self._seconds = "200", 0.0

    async def receive(self, request: Request) -> Response:
        """POST: note what came, and answer as chosen."""
        try:
            answer, seconds = self._chosen(request.query_params)
        except ValueError:
            return JSONResponse({"error": USAGE}, status_code=400)
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    return JSONResponse({"error": f"at most {MAX_BYTES} bytes"}, status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        try:
            signature = await self.verdict(request.headers, bytes(body))
        except Unavailable as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError:
            parsed = None
        else:
            parsed = orjson.Fragment(bytes(body))  # as it came: large numbers and deep nesting survive
        self._received.appendleft(
            {
                "receivedAt": self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "signature": signature,
                "headers": {
                    name: value
                    for name, value in request.headers.items()
                    if name.startswith("webhook-") or name in ("content-type", "user-agent")
                },
                "body": parsed,
                "bodyText": body.decode(errors="replace"),
            }
        )
        if seconds:
            await asyncio.sleep(seconds)
        if answer == "redirect":
            return Response(status_code=302, headers={"Location": str(request.url.replace(query="", fragment=""))})
        status = 200 if answer == "slow" else int(answer)
        if status in BODILESS:
            return Response(status_code=status)
        return JSONResponse({"received": True}, status_code=status)

    async def verdict(self, headers: Mapping[str, str], body: bytes) -> str:
        """``verified``; or why not: ``unsigned``, ``no secret``, ``too old`` (or from the future), ``wrong``."""
        signatures = headers.get("webhook-signature", "").split()
        if not signatures:
            return "unsigned"
        timestamp = headers.get("webhook-timestamp", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
            return "wrong"
        if abs(self._clock.now().timestamp() - int(timestamp)) > MAX_AGE_SECONDS:
            return "too old"
        keys = await self._keys()
        if not keys:
            return "no secret"
        for key in keys:
            expected = sign(key, headers.get("webhook-id", ""), int(timestamp), body).encode()
            if any(hmac.compare_digest(expected, each.encode()) for each in signatures):
                return "verified"
        return "wrong"

    async def choose(self, request: Request) -> Response:
        """PUT: choose the answer to what comes from now on."""
        try:
            self._answer, self._seconds = self._chosen(request.query_params)
        except ValueError:
            return JSONResponse({"error": USAGE}, status_code=400)
        return JSONResponse({"answer": self._answer, "seconds": self._seconds})

    async def forget(self, _request: Request) -> Response:
        """DELETE: forget what came, and answer 200 again."""
        self._received.clear()
        self._answer, self._seconds = "200", 0.0
        return Response(status_code=204)

    async def show(self, request: Request) -> Response:
        """GET: what has come, newest first."""
        if "text/html" in request.headers.get("accept", ""):
            address = str(request.url.replace(query="", fragment=""))
            shown = page(self._received, answer=self._answer, url=address, kept=KEPT)
            return HTMLResponse(shown, headers=HEADERS)
        content = orjson.dumps({"received": list(self._received)}, option=orjson.OPT_INDENT_2)
        return Response(content, media_type="application/json", headers={"Vary": "Accept"})

    def _chosen(self, parameters: QueryParams) -> tuple[str, float]:
        answer = parameters.get("answer")
        if answer is None:
            return self._answer, self._seconds
        seconds = float(parameters.get("seconds", DEFAULT_SLOW_SECONDS if answer == "slow" else 0))
        is_status = answer.isascii() and answer.isdigit() and 200 <= int(answer[:4]) <= 599 and len(answer) == 3
        if not (is_status or answer in ("redirect", "slow")) or not 0 <= seconds <= MAX_SLOW_SECONDS:
            raise ValueError(USAGE)
        return answer, seconds

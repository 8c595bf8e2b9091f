"""``/webhook-test``: a receiver to try webhooks with. It keeps the last hundred in memory and answers 200.

GET gives them as JSON, newest first: the time, the webhook's headers, and the body as it came.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.clock import Clock, SystemClock

KEPT = 100
MAX_BYTES = 1_048_576


class WebhookTest:
    """The receiver."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._received: deque[dict[str, Any]] = deque(maxlen=KEPT)

    async def receive(self, request: Request) -> Response:
        """POST: note what came."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                return JSONResponse({"error": f"at most {MAX_BYTES} bytes"}, status_code=413)
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            parsed = None
        self._received.appendleft(
            {
                "receivedAt": self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "headers": {
                    name: value
                    for name, value in request.headers.items()
                    if name.startswith("webhook-") or name in ("content-type", "user-agent")
                },
                "body": parsed,
                "bodyText": body.decode(errors="replace"),
            }
        )
        return JSONResponse({"received": True})

    async def show(self, _request: Request) -> Response:
        """GET: what has come, newest first."""
        return Response(
            orjson.dumps({"received": list(self._received)}, option=orjson.OPT_INDENT_2), media_type="application/json"
        )

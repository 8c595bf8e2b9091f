"""Waiting in tests: for a condition, up to a deadline; never for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

POLL_SECONDS = 0.005


async def eventually(
    condition: Callable[[], Any | Awaitable[Any]], *, timeout_seconds: float = 5.0, message: str | None = None
) -> Any:
    """Ask ``condition`` again and again until it is true; what it gave then.

    Raises:
        AssertionError: it was not true within ``timeout_seconds``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if loop.time() >= deadline:
            raise AssertionError(message or f"not true within {timeout_seconds} s: {condition}")
        await asyncio.sleep(POLL_SECONDS)

"""Spans, where somebody wants them: ``server/telemetry.py`` sets a tracer. Without one they cost nothing.

The engine does not import OpenTelemetry, which is an optional extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class Tracer(Protocol):
    """What is asked of OpenTelemetry."""

    def span(
        self, name: str, attributes: Mapping[str, Any] | None, parent: str | None
    ) -> AbstractContextManager[Any]: ...

    def traceparent(self) -> str | None: ...


_NO_SPAN: AbstractContextManager[None] = nullcontext()
_tracer: Tracer | None = None


def set_tracer(tracer: Tracer | None) -> None:
    """Have spans made by ``tracer`` from now on, or none."""
    global _tracer
    _tracer = tracer


def is_on() -> bool:
    """Whether spans are made: ask before doing anything for their attributes on a path that is hot."""
    return _tracer is not None


def span(
    name: str, attributes: Mapping[str, Any] | None = None, *, parent: str | None = None
) -> AbstractContextManager[Any]:
    """A span around a block, within the one under way or the one that the traceparent ``parent`` names; an exception
    marks it as failed and goes on."""
    return _NO_SPAN if _tracer is None else _tracer.span(name, attributes, parent)


def traceparent() -> str | None:
    """The span under way, as W3C Trace Context writes it; None outside of any."""
    return None if _tracer is None else _tracer.traceparent()

"""Doubles at the engine's seams: a clock that is set by hand, and a receiver of webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from engine.http_client import HttpError, HttpResponse


class FakeClock:
    """Time stands still until ``pass_by``."""

    def __init__(self) -> None:
        self._now = datetime(2026, 2, 5, 15, 0, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_by(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


class FakeClient:
    """Answers each request with the next of ``answers``: a status, a response, or an error."""

    def __init__(self, answers: Iterable[int | HttpResponse | HttpError]) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    async def request(
        self, _method: str, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> HttpResponse:
        assert timeout_seconds > 0
        self.requests.append((url, dict(headers), body))
        answer = self._answers.pop(0)
        if isinstance(answer, HttpError):
            raise answer
        if isinstance(answer, int):
            return HttpResponse(answer, {}, b"", False, 1)
        return answer

"""Doubles at the engine's seams: a clock that is set by hand, and a receiver of webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fake_clock import FakeClock

from engine.http_client import HttpError, HttpResponse

__all__ = ["FakeClient", "FakeClock"]


class FakeClient:
    """Answers each request with the next of ``answers``: a status, a response, or an error."""

    def __init__(self, answers: Iterable[int | HttpResponse | HttpError]) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    async def request(
        self,
        _method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout_seconds: float,
        is_repeatable: bool,
    ) -> HttpResponse:
        assert timeout_seconds > 0
        assert is_repeatable  # receivers know a message by its webhook-id
        self.requests.append((url, dict(headers), body))
        answer = self._answers.pop(0)
        if isinstance(answer, HttpError):
            raise answer
        if isinstance(answer, int):
            return HttpResponse(answer, {}, b"", False, 1)
        return answer

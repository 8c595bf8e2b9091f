"""``http.request``: one HTTP request through the guarded client, judged by its status."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from engine.http_client import HttpClient, HttpError, HttpErrorCode, HttpResponse, check_header_name, check_url
from engine.registry import DEFAULT_MAX_ATTEMPTS, PermanentError, Task, TaskContext

KEPT_HEADERS = (
    *("content-type", "content-encoding", "content-length", "date", "etag", "last-modified", "location"),
    *("retry-after", "x-request-id"),
)
WORTH_A_RETRY = frozenset({408, 429})
MAX_DEPTH = 60
"""A result may be 64 levels deep; a deeper answer is kept as text."""
EXCERPT_LENGTH = 200
TIMEOUT_SECONDS = 300.0

Status = Annotated[int, Field(ge=100, le=599)]
Method = Annotated[
    Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


class HttpStatusError(Exception):
    """The server answered with a status that is worth another attempt."""


class HttpRequestPayload(BaseModel):
    """What to send, and which answers are fine (2xx unless `expect_status` says otherwise)."""

    model_config = ConfigDict(extra="forbid")

    url: str
    method: Method = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    json_body: Any = Field(None, alias="json")
    timeout_seconds: float = Field(30.0, gt=0, le=TIMEOUT_SECONDS)
    expect_status: list[Status] | None = Field(None, min_length=1)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            check_url(value)
        except HttpError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            check_header_name(name)
            if any(character in text for character in "\r\n\0"):
                raise ValueError(f"the value of the header {name[:80]!r} has a line break in it")
        return value

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and "json_body" in self.model_fields_set:
            raise ValueError("give body or json, not both")
        return self

    def encoded_body(self) -> bytes | None:
        """The bytes to send."""
        if "json_body" in self.model_fields_set:
            return orjson.dumps(self.json_body)
        return None if self.body is None else self.body.encode()

    def all_headers(self) -> dict[str, str]:
        """The headers to send: ``content-type`` follows from the body unless it is given."""
        body_type = "application/json" if "json_body" in self.model_fields_set else "text/plain; charset=utf-8"
        has_body = self.body is not None or "json_body" in self.model_fields_set
        is_given = any(name.lower() == "content-type" for name in self.headers)
        return self.headers if is_given or not has_body else {**self.headers, "content-type": body_type}


def http_task(http: HttpClient) -> Task:
    """The task ``http.request``."""

    async def http_request(ctx: TaskContext, request: HttpRequestPayload) -> dict[str, Any]:
        """Send an HTTP request; the status, some headers and the beginning of the body are the result.

        A status that was not expected fails the job, without another attempt unless it is 408, 429 or 5xx. Private
        addresses are refused unless SIGNALBOX_WEBHOOK_ALLOW has them. Redirects are not followed.
        """
        try:
            response = await http.request(
                request.method,
                request.url,
                headers=request.all_headers(),
                body=request.encoded_body(),
                timeout_seconds=request.timeout_seconds,
            )
        except HttpError as error:
            if error.code in (HttpErrorCode.REFUSED, HttpErrorCode.INVALID_URL):
                raise PermanentError(str(error), code=error.code) from None
            raise
        _judge(request, response)
        return _result(response)

    return Task.declare(
        "http.request", http_request, max_attempts=DEFAULT_MAX_ATTEMPTS, timeout_seconds=TIMEOUT_SECONDS
    )


def _judge(request: HttpRequestPayload, response: HttpResponse) -> None:
    status = response.status
    if status in request.expect_status if request.expect_status is not None else 200 <= status < 300:
        return
    message = f"The server answered {status}"
    if "location" in response.headers and 300 <= status < 400:
        message += f" and points to {response.headers['location'][:EXCERPT_LENGTH]!r}; redirects are not followed"
    elif excerpt := (_text(response) or "")[:EXCERPT_LENGTH].strip():
        message += f": {excerpt}"
    if status >= 500 or status in WORTH_A_RETRY:
        raise HttpStatusError(message)
    raise PermanentError(message, code="HTTP_STATUS")


def _result(response: HttpResponse) -> dict[str, Any]:
    result: dict[str, Any] = {
        "status": response.status,
        "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        "truncated": response.is_truncated,
    }
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not response.is_truncated and (media_type == "application/json" or media_type.endswith("+json")):
        try:
            parsed = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            pass
        else:
            if _is_shallow(parsed, MAX_DEPTH):
                return {**result, "json": parsed}
    return {**result, "body": _text(response)}


def _text(response: HttpResponse) -> str | None:
    """The body as text; None if it is compressed although we asked for it plain."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return None
    charset = re.search(r"charset=\"?([\w.:-]+)", response.headers.get("content-type", ""), re.IGNORECASE)
    try:
        return response.body.decode(charset[1] if charset else "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        return response.body.decode(errors="replace")


def _is_shallow(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value)
    return True

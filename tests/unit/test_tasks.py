"""The built-in tasks, against a real HTTP server and a real mail server on this machine."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import orjson
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from engine.errors import ConfigurationError, InvalidInput
from engine.http_client import HttpClient, HttpError, HttpErrorCode
from engine.payload import encode_json
from engine.registry import PermanentError, Task, TaskContext
from tasks import builtin_tasks, fallback_task
from tasks.http_request import HttpStatusError
from tasks.simulate import NOTE, SimulatedError
from tasks.smtp_server import SmtpServer


class Notes:
    def __init__(self) -> None:
        self.fractions: list[float] = []

    def log(self, *_: Any) -> None: ...

    def progress(self, job_id: int, fraction: float) -> None:
        self.fractions.append(fraction)


async def nothing(*_: Any) -> Any:
    raise AssertionError("only a report reads jobs")


def built_in(http: HttpClient, smtp_url: str | None) -> list[Task]:
    return builtin_tasks(http, smtp_url, nothing, nothing)


def named(name: str, http: HttpClient | None = None, smtp_url: str | None = None) -> Task:
    return {task.name: task for task in built_in(http or HttpClient(), smtp_url)}[name]


async def run(
    task: Task, payload: Any, *, name: str | None = None, attempt: int = 1, notes: Notes | None = None
) -> Any:
    """What an attempt does with a task; the result must be one that can be stored."""
    context = TaskContext(7, name or task.name, attempt, 3, notes or Notes())
    result = await task.function(context, **task.arguments(payload))
    encode_json(result)
    return result


def test_what_there_is() -> None:
    found = built_in(HttpClient(), None)
    assert [task.name for task in found] == ["simulate", "http.request", "email.send", "signalbox.report"]
    for task in found:
        assert task.is_async
        assert task.description
        assert orjson.loads(task.payload_schema_text or "")["type"] == "object"


async def test_simulate_does_nothing_quickly() -> None:
    assert await run(named("simulate"), None) == {"simulated": True, "task": "simulate", "seconds": 0.0}


async def test_simulate_takes_its_time_in_steps() -> None:
    notes = Notes()
    result = await run(named("simulate"), {"seconds": 0.004, "steps": 4, "ctx": 1, "email": "a@b"}, notes=notes)
    assert result == {"simulated": True, "task": "simulate", "seconds": 0.004}
    assert notes.fractions == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("result", [0, False, "", [1], {"a": None}])
async def test_simulate_gives_the_result_it_is_told(result: Any) -> None:
    assert await run(named("simulate"), {"result": result}) == result


@pytest.mark.parametrize(("fail", "message"), [(True, "asked for a failure"), ("no paper", "^no paper$")])
async def test_simulate_fails_when_told(fail: Any, message: str) -> None:
    with pytest.raises(SimulatedError, match=message):
        await run(named("simulate"), {"fail": fail, "result": 1})


async def test_simulate_fails_so_many_times() -> None:
    for attempt in (1, 2):
        with pytest.raises(SimulatedError, match=f"2 failed attempts; this is number {attempt}"):
            await run(named("simulate"), {"fail_times": 2}, attempt=attempt)
    assert (await run(named("simulate"), {"fail_times": 2}, attempt=3))["simulated"] is True


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"seconds": -1}, "payload.seconds"),
        ({"seconds": 3601}, "payload.seconds"),
        ({"seconds": "long"}, "payload.seconds"),
        ({"steps": 0}, "payload.steps"),
        ({"steps": 1001}, "payload.steps"),
        ({"fail_times": -1}, "payload.fail_times"),
    ],
)
def test_simulate_refuses_options_that_make_no_sense(payload: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        named("simulate").arguments(payload)
    assert (refusal.value.field or "").startswith(field)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [1, 2],
        "text",
        {},
        {"ctx": 1, "context": 2, "self": 3, "": 4},
        {"seconds": "soon", "steps": True, "fail": 1, "fail_times": 0.5},
        {"seconds": -1},
        {"seconds": 1e9},
        {"seconds": True},
        {"result": None},
    ],
)
async def test_the_fallback_takes_any_payload(payload: Any) -> None:
    assert fallback_task().name == "simulate"
    assert await run(fallback_task(), payload, name="Send Test Email") == {
        "simulated": True,
        "task": "Send Test Email",
        "seconds": 0.0,
        "note": NOTE,
    }


async def test_the_fallback_reads_options_that_are_well_typed() -> None:
    payload = {"seconds": 0.002, "steps": 2, "fail_times": 1, "result": [1], "email": "a@b"}
    notes = Notes()
    result = await run(fallback_task(), payload, name="x", attempt=2, notes=notes)
    assert result == {"simulated": True, "task": "x", "seconds": 0.002, "result": [1], "note": NOTE}
    assert notes.fractions == [0.5, 1.0]
    for failing in (payload, {"fail": "x"}, {"fail": True}):
        with pytest.raises(SimulatedError):
            await run(fallback_task(), failing, attempt=1)


class Site:
    """Answers each request as its test says."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: dict[str, Any] = {}
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []

    async def serve(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.path_qs, await request.read(), headers))
        return web.Response(**self.answer)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()
    runner = web.ServerRunner(web.Server(found.serve))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def http_request() -> AsyncIterator[Task]:
    client = HttpClient(["127.0.0.0/8"])
    await client.open()
    yield named("http.request", client)
    await client.close()


async def test_a_get(site: Site, http_request: Task) -> None:
    site.answer = {"text": "hällo", "headers": {"ETag": '"1"', "Set-Cookie": "secret=1", "X-Other": "x"}}
    result = await run(http_request, {"url": f"{site.url}/a?b=c", "headers": {"X-Key": "k"}})
    assert (result["status"], result["body"], result["truncated"]) == (200, "hällo", False)
    assert result["headers"]["etag"] == '"1"'
    assert {"set-cookie", "x-other"}.isdisjoint(result["headers"])
    [(method, path, body, headers)] = site.requests
    assert (method, path, body, headers["x-key"]) == ("GET", "/a?b=c", b"", "k")
    assert "content-type" not in headers


@pytest.mark.parametrize(
    ("payload", "body", "content_type"),
    [
        ({"json": {"a": [1, "ä"]}}, '{"a":[1,"ä"]}'.encode(), "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"body": "ä"}, "ä".encode(), "text/plain; charset=utf-8"),
        ({"body": "<a/>", "headers": {"Content-Type": "text/xml"}}, b"<a/>", "text/xml"),
        ({"body": ""}, b"", "text/plain; charset=utf-8"),
    ],
)
async def test_a_post(site: Site, http_request: Task, payload: Any, body: bytes, content_type: str) -> None:
    await run(http_request, {"url": site.url, "method": "post", **payload})
    [(method, _, sent, headers)] = site.requests
    assert (method, sent, headers["content-type"]) == ("POST", body, content_type)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"body": b'{"a": 1}', "content_type": "application/json"}, {"json": {"a": 1}}),
        ({"body": b"null", "content_type": "application/problem+json"}, {"json": None}),
        ({"body": b"{broken", "content_type": "application/json"}, {"body": "{broken"}),
        ({"body": b"[" * 61 + b"]" * 61, "content_type": "application/json"}, {"body": "[" * 61 + "]" * 61}),
        ({"body": b"\xe4", "content_type": "text/plain", "charset": "latin-1"}, {"body": "ä"}),
        ({"body": b"\xe4", "content_type": "text/plain", "charset": "no-such"}, {"body": "\ufffd"}),
        ({"body": b"\x00\xff", "content_type": "image/png"}, {"body": "\x00\ufffd"}),
        ({"body": b"\x1f\x8b", "headers": {"Content-Encoding": "gzip"}}, {"body": None}),
        ({"body": b"x" * 20_000}, {"body": "x" * 16_384}),
        ({"status": 204}, {"body": ""}),
    ],
)
async def test_what_is_kept_of_an_answer(site: Site, http_request: Task, answer: Any, expected: Any) -> None:
    site.answer = answer
    result = await run(http_request, {"url": site.url})
    assert {key: result[key] for key in ("body", "json") if key in result} == expected
    assert result["truncated"] is (len(answer.get("body", b"")) > 16_384)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 410, 422])
async def test_a_status_that_will_stay(site: Site, http_request: Task, status: int) -> None:
    site.answer = {"status": status, "text": "because" if status >= 400 else None}
    with pytest.raises(PermanentError, match=f"answered {status}" + (": because" if status >= 400 else "")) as error:
        await run(http_request, {"url": site.url})
    assert error.value.code == "HTTP_STATUS"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_status_that_may_pass(site: Site, http_request: Task, status: int) -> None:
    site.answer = {"status": status}
    with pytest.raises(HttpStatusError, match=f"answered {status}"):
        await run(http_request, {"url": site.url})


async def test_a_redirect_says_where_to(site: Site, http_request: Task) -> None:
    site.answer = {"status": 302, "headers": {"Location": "https://example.com/"}}
    with pytest.raises(PermanentError, match=r"points to 'https://example\.com/'; redirects are not followed"):
        await run(http_request, {"url": site.url})


async def test_expected_statuses(site: Site, http_request: Task) -> None:
    site.answer = {"status": 404}
    assert (await run(http_request, {"url": site.url, "expect_status": [200, 404]}))["status"] == 404
    site.answer = {"status": 200}
    with pytest.raises(PermanentError):
        await run(http_request, {"url": site.url, "expect_status": [404]})


async def test_a_refused_address_is_permanent(site: Site) -> None:
    client = HttpClient()
    await client.open()
    try:
        with pytest.raises(PermanentError, match="SIGNALBOX_WEBHOOK_ALLOW") as error:
            await run(named("http.request", client), {"url": site.url})
    finally:
        await client.close()
    assert error.value.code == "REFUSED"
    assert site.requests == []


async def test_a_network_that_fails_is_worth_another_attempt(http_request: Task) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        with pytest.raises(HttpError) as error:
            await run(http_request, {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"})
    assert error.value.code is HttpErrorCode.UNREACHABLE


@pytest.mark.parametrize(
    ("payload", "field", "reason"),
    [
        ({}, "payload.url", "required"),
        ({"url": "ftp://example.com"}, "payload.url", "must start with http"),
        ({"url": "http://user:pass@example.com"}, "payload.url", "Authorization header"),
        ({"url": "http://a", "method": "CONNECT"}, "payload.method", "GET"),
        ({"url": "http://a", "method": 1}, "payload.method", "GET"),
        ({"url": "http://a", "headers": {"A": "1\r\nB: 2"}}, "payload.headers", "line break"),
        ({"url": "http://a", "headers": {"A: 1\r\nB": "2"}}, "payload.headers", "cannot be set"),
        ({"url": "http://a", "headers": {"Content-Length": "2"}}, "payload.headers", "cannot be set"),
        ({"url": "http://a", "body": "x", "json": 1}, "payload", "not both"),
        ({"url": "http://a", "timeout_seconds": 0}, "payload.timeout_seconds", "greater than 0"),
        ({"url": "http://a", "timeout_seconds": 301}, "payload.timeout_seconds", "300"),
        ({"url": "http://a", "expect_status": []}, "payload.expect_status", "at least 1"),
        ({"url": "http://a", "expect_status": [99]}, "payload.expect_status.0", "100"),
        ({"url": "http://a", "json_body": 1}, "payload.json_body", "not permitted"),
    ],
)
def test_a_request_that_makes_no_sense(payload: Any, field: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        named("http.request").arguments(payload)
    assert refusal.value.field == field
    assert "pass@" not in str(refusal.value)


class Mailbox:
    """A mail server's memory, and the replies that a test wants of it."""

    def __init__(self) -> None:
        self.port = 0
        self.envelopes: list[Envelope] = []
        self.refused: dict[str, str] = {}
        self.reply = "250 OK"
        self.logins: list[Any] = []

    async def handle_RCPT(  # the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return self.reply

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss word", handled=False)

    @property
    def messages(self) -> list[EmailMessage]:
        parsed = []
        for envelope in self.envelopes:
            assert isinstance(envelope.content, bytes)
            parsed.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return parsed

    @property
    def task(self) -> Task:
        return named("email.send", smtp_url=f"smtp://127.0.0.1:{self.port}")


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    found = Mailbox()

    def connect() -> SMTP:
        return SMTP(
            found,
            hostname="localhost",
            enable_SMTPUTF8=True,
            authenticator=found.authenticate,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await server.wait_closed()


LETTER = {"from": "Sender <s@example.com>", "to": "a@example.com", "subject": "Grüße", "text": "Hallo, Welt"}


async def test_a_letter(mailbox: Mailbox) -> None:
    result = await run(mailbox.task, LETTER)
    [message], [envelope] = mailbox.messages, mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("s@example.com", ["a@example.com"])
    assert (message["From"], message["To"], message["Subject"]) == ("Sender <s@example.com>", "a@example.com", "Grüße")
    assert message.get_content().strip() == "Hallo, Welt"
    assert message["Date"]
    assert result == {"message_id": message["Message-ID"], "accepted": ["a@example.com"], "refused": {}}


async def test_a_letter_with_everything(mailbox: Mailbox) -> None:
    await run(
        mailbox.task,
        LETTER
        | {
            "to": ["A <a@example.com>", '"B, C" <b@example.com>'],
            "cc": ["c@example.com", "a@example.com"],
            "reply_to": "r@example.com",
            "html": "<p>Hallo</p>",
            "headers": {"X-Campaign": "spring", "List-Unsubscribe": "<https://example.com/u>"},
        },
    )
    [message], [envelope] = mailbox.messages, mailbox.envelopes
    assert envelope.rcpt_tos == ["a@example.com", "b@example.com", "c@example.com"]
    assert [address.addr_spec for address in message["To"].addresses] == ["a@example.com", "b@example.com"]
    assert (message["Cc"], message["Reply-To"]) == ("c@example.com, a@example.com", "r@example.com")
    assert (message["X-Campaign"], message["List-Unsubscribe"]) == ("spring", "<https://example.com/u>")
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


async def test_a_letter_of_html_alone(mailbox: Mailbox) -> None:
    await run(mailbox.task, {"from": "s@example.com", "to": "a@example.com", "html": "<p>ä</p>"})
    [message] = mailbox.messages
    assert message.get_content_type() == "text/html"
    assert message.get_content().strip() == "<p>ä</p>"


async def test_attempts_of_one_job_share_their_message_id(mailbox: Mailbox) -> None:
    first = await run(mailbox.task, LETTER, attempt=1)
    second = await run(mailbox.task, LETTER, attempt=2)
    other = await run(mailbox.task, LETTER | {"text": "other"})
    assert first["message_id"] == second["message_id"] != other["message_id"]
    assert first["message_id"].startswith("<signalbox.7.")
    assert first["message_id"].endswith("@example.com>")


async def test_a_refused_recipient_among_others(mailbox: Mailbox) -> None:
    mailbox.refused = {"b@example.com": "550 no such user"}
    result = await run(mailbox.task, LETTER | {"to": ["a@example.com", "b@example.com"]})
    assert result["accepted"] == ["a@example.com"]
    assert result["refused"] == {"b@example.com": "550 no such user"}
    assert mailbox.envelopes[0].rcpt_tos == ["a@example.com"]


async def test_no_recipient_is_taken(mailbox: Mailbox) -> None:
    mailbox.refused = {"a@example.com": "550 no such user"}
    with pytest.raises(PermanentError, match=r"a@example\.com: 550 no such user") as error:
        await run(mailbox.task, LETTER)
    assert error.value.code == "SMTP_REFUSED"
    mailbox.refused = {"a@example.com": "450 greylisted"}
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await run(mailbox.task, LETTER)
    assert mailbox.envelopes == []


async def test_a_message_that_is_refused(mailbox: Mailbox) -> None:
    mailbox.reply = "554 spam"
    with pytest.raises(PermanentError, match=r"127\.0\.0\.1 answered 554 spam"):
        await run(mailbox.task, LETTER)
    mailbox.reply = "451 try again"
    with pytest.raises(aiosmtplib.SMTPDataError):
        await run(mailbox.task, LETTER)


async def test_a_login(mailbox: Mailbox) -> None:
    url = f"smtp://user%40example.com:p%40ss%20word@127.0.0.1:{mailbox.port}/?starttls=false"
    result = await run(named("email.send", smtp_url=url), {"to": "a@example.com", "text": "x"})
    assert mailbox.logins == [(b"user@example.com", b"p@ss word")]
    assert mailbox.messages[0]["From"] == "user@example.com"
    assert result["accepted"] == ["a@example.com"]
    with pytest.raises(PermanentError, match="535") as error:
        await run(named("email.send", smtp_url=url.replace("p%40ss%20word", "wrong")), LETTER)
    assert "wrong" not in str(error.value)


async def test_a_server_without_the_tls_that_is_asked_for(mailbox: Mailbox) -> None:
    with pytest.raises(aiosmtplib.SMTPException, match="STARTTLS extension not supported"):
        await run(named("email.send", smtp_url=f"smtp://127.0.0.1:{mailbox.port}/?starttls=true"), LETTER)
    assert mailbox.envelopes == []


async def test_a_server_that_is_not_there() -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await run(named("email.send", smtp_url=f"smtp://127.0.0.1:{port}"), LETTER)


async def test_no_server_is_set() -> None:
    with pytest.raises(PermanentError, match="SMTP_URL is not set; give it as smtp://") as error:
        await run(named("email.send"), LETTER)
    assert error.value.code == "NOT_CONFIGURED"


async def test_no_sender_is_known(mailbox: Mailbox) -> None:
    with pytest.raises(PermanentError, match="from is missing"):
        await run(mailbox.task, {"to": "a@example.com", "text": "x"})
    assert mailbox.envelopes == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": "Hello\r\nBcc: x@example.com"}, "payload.subject"),
        ({"subject": "Hello\nX"}, "payload.subject"),
        ({"subject": "Hello\u2028X"}, "payload.subject"),
        ({"to": "a@example.com\r\nBcc: x@example.com"}, "payload.to.0"),
        ({"to": ["a@example.com", "b@example.com\nX: y"]}, "payload.to.1"),
        ({"to": "a@example.com, b@example.com"}, "payload.to.0"),
        ({"to": "team: a@example.com, b@example.com;"}, "payload.to.0"),
        ({"to": "nobody"}, "payload.to.0"),
        ({"to": "<>"}, "payload.to.0"),
        ({"to": ""}, "payload.to.0"),
        ({"to": []}, "payload.to"),
        ({"to": ["a@example.com"] * 101}, "payload.to"),
        ({"to": "a@" + "x" * 64 + ".com"}, "payload.to.0"),
        ({"to": 7}, "payload.to"),
        ({"from": "s@example.com\r\nX: y"}, "payload.from"),
        ({"from": ["s@example.com"]}, "payload.from"),
        ({"cc": "c@example.com\rX"}, "payload.cc.0"),
        ({"reply_to": "r@example.com\x00"}, "payload.reply_to.0"),
        ({"headers": {"X-A": "1\r\nBcc: x@example.com"}}, "payload.headers"),
        ({"headers": {"X-A: 1\r\nBcc": "x@example.com"}}, "payload.headers"),
        ({"headers": {"bcc": "x@example.com"}}, "payload.headers"),
        ({"headers": {"To": "x@example.com"}}, "payload.headers"),
        ({"headers": {"Message-ID": "<1@example.com>"}}, "payload.headers"),
        ({"headers": {"Content-Type": "text/html"}}, "payload.headers"),
        ({"headers": {"": "x"}}, "payload.headers"),
        ({"text": None}, "payload"),
        ({"from_": "s@example.com"}, "payload.from_"),
        ({"attachment": "x"}, "payload.attachment"),
    ],
)
def test_a_letter_that_makes_no_sense(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        named("email.send").arguments(LETTER | change)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail", ("mail", 25, False, None, None, None)),
        ("smtp://mail:2525/", ("mail", 2525, False, None, None, None)),
        ("smtp://mail/?starttls=true", ("mail", 587, False, True, None, None)),
        ("smtp://mail?starttls=FALSE", ("mail", 25, False, False, None, None)),
        ("smtp://u:p%2F%3A@mail:587/?starttls=1", ("mail", 587, False, True, "u", "p/:")),
        ("smtps://u%40h:p@mail", ("mail", 465, True, False, "u@h", "p")),
        ("smtps://[::1]:4465", ("::1", 4465, True, False, None, None)),
    ],
)
def test_smtp_urls(url: str, expected: tuple[Any, ...]) -> None:
    server = SmtpServer.parse(url)
    assert (server.host, server.port, server.use_tls, server.start_tls, server.user, server.password) == expected
    assert "password" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail:25",
        "http://u:hunter2@mail",
        "smtp://",
        "smtp://u:hunter2@",
        "smtp://u:hunter2@mail:port",
        "smtp://u:hunter2@mail:99999",
        "smtp://u:hunter2@mail/?starttls=maybe",
        "smtp://u:hunter2@mail/?startls=true",
        "smtp://u:hunter2@mail/path",
        "smtp://u:hunter2#2@mail",
        "smtps://u:hunter2@mail/?starttls=true",
        "smtp://[u:hunter2@mail",
    ],
)
def test_smtp_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SMTP_URL: ") as refusal:
        named("email.send", smtp_url=url)
    assert "hunter2" not in str(refusal.value)

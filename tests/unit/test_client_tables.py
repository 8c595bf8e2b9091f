"""What ``signalbox jobs`` shows people: harmless whatever it is given, and readable however narrow the terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from rich.console import Console

from server.client import tables
from server.client.output import encode, job_json, printable

NOW = datetime(2026, 2, 5, 15, 0, tzinfo=UTC)
EVIL = "a\x1b[31mb\x07c\u202ed\x9be\nf[red]g:smile:\x00"
SHOWN = "a\\x1b[31mb\\x07c\\u202ed\\x9be\\nf[red]g:smile:\\x00"


def job(**given: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "taskName": EVIL,
        "status": "RUNNING",
        "priority": "HIGH",
        "tags": [EVIL],
        "attempt": 1,
        "maxAttempts": 3,
        "progress": 0.5,
        "payloadText": '{"a":1}',
        "resultText": None,
        "createdAt": "2026-02-05T14:00:00.000Z",
        "updatedAt": "2026-02-05T14:00:00.000Z",
        "runAt": None,
        "startedAt": "2026-02-05T14:59:00.000Z",
        "finishedAt": None,
        "error": {"code": EVIL, "message": EVIL},
        "timeoutSeconds": 60.0,
        "idempotencyKey": EVIL,
        "schedule": {"id": "1", "name": EVIL},
        "copyOf": None,
        "waitingFor": EVIL,
        "attempts": [
            {
                "number": 1,
                "outcome": None,
                "worker": EVIL,
                "startedAt": "2026-02-05T14:59:00.000Z",
                "finishedAt": None,
                "error": {"code": EVIL, "message": EVIL},
            }
        ],
        "deliveries": [
            {
                "id": "x",
                "event": "JOB_COMPLETED",
                "url": EVIL,
                "status": "PENDING",
                "nextTryAt": None,
                "tries": [{"at": "2026-02-05T14:59:00.000Z", "durationMs": 1, "responseStatus": None, "error": EVIL}],
            }
        ],
        **given,
    }


def rendered(what: Any, width: int = 200, *, is_terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=is_terminal,
        color_system="standard" if is_terminal else None,
    )
    console.print(what)
    return stream.getvalue()


def change(**given: Any) -> dict[str, Any]:
    made = {"cursor": "1", "from": "QUEUED", "to": "FAILED", "at": "2026-02-05T14:59:00.000Z", "job": job()}
    return {**made, **given}


EVERYTHING = {
    "list": lambda width: tables.jobs_table([job(), job(status="FAILED")], NOW, width),
    "page": lambda width: tables.job_page(job(payloadText=orjson.dumps(EVIL).decode()), NOW, width),
    "change": lambda width: tables.change_line(change(), width),
    "log": lambda _width: tables.log_line({"at": "2026-02-05T14:59:00.000Z", "level": EVIL, "message": EVIL}),
}


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_nothing_that_a_terminal_could_obey(name: str, width: int) -> None:
    shown = rendered(EVERYTHING[name](width), width)
    assert all(each.isprintable() or each == "\n" for each in shown)


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    assert printable(EVIL) == SHOWN
    assert SHOWN in rendered(EVERYTHING["list"](200))
    assert "[red]" in rendered(EVERYTHING["page"](200))


@pytest.mark.parametrize("width", [30, 40, 55, 60, 80, 84, 100, 200])
def test_a_list_fits_and_each_job_has_one_line(width: int) -> None:
    shown = rendered(tables.jobs_table([job(), job(id="123456", status="COMPLETED")], NOW, width), width)
    lines = shown.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    assert "123456" in lines[2]
    assert "COMPLETED" in lines[2]


def test_colours_only_where_they_are_seen() -> None:
    assert "\x1b" not in rendered(EVERYTHING["list"](80))
    assert "\x1b[1;31m" in rendered(EVERYTHING["list"](80), is_terminal=True)


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2026-02-05T14:59:59.500Z", "0s"),
        ("2026-02-05T14:58:01Z", "119s"),
        ("2026-02-05T14:58:00Z", "2m"),
        ("2026-02-05T10:00:00Z", "5h"),
        ("2026-02-01T15:00:00Z", "4d"),
        ("2026-02-05T15:10:30Z", "in 10m"),
        ("2026-02-05T15:00:00.400Z", "0s"),
    ],
)
def test_ages(at: str, shown: str) -> None:
    assert tables.age(at, NOW) == shown


def test_json_keeps_the_stored_bytes() -> None:
    source = '{"n":18446744073709551615,"x":1.0,"é":"\x9b"}'
    assert source in encode(job_json({"id": "1", "payloadText": source}))

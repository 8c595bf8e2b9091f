"""What is hidden, at any depth and in any form of text; and that nothing else changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.redaction import REDACTED, Redactor
from resolvers.visibility import HIDDEN_TRACEBACK, without_tracebacks
from server.logs import configure_logs

KEYS = ["password", "secret", "token", "authorization", "api_key"]
REDACTOR = Redactor(KEYS)
SECRET = "hunter2"

harmless_keys = st.text(max_size=6).filter(lambda key: not REDACTOR.is_secret(key))
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet="abcé😀 \\\n{}[],'")
harmless = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(harmless_keys, inner, max_size=4),
    max_leaves=20,
)
secret_keys = st.sampled_from([*KEYS, "PASSWORD", "apiKey", "Api-Key", "Authorization", "tOkEn"])
hiding = st.recursive(
    st.builds(lambda key, value: {key: value}, secret_keys, harmless.map(lambda value: [SECRET, value])),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.builds(lambda key, value, other: {"x": other, key: value}, harmless_keys, inner, harmless)
        | st.builds(lambda key, value: {key: value}, secret_keys, inner)
    ),
    max_leaves=5,
)


def hidden(value: Any) -> Any:
    """What ``value`` must look like, the simple way."""
    if isinstance(value, dict):
        return {key: REDACTED if REDACTOR.is_secret(key) else hidden(item) for key, item in value.items()}
    return [hidden(item) for item in value] if isinstance(value, list) else value


@given(hiding, st.sampled_from([None, 2]), st.booleans())
def test_secrets_at_any_depth(value: Any, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    shown = REDACTOR.json(text)
    assert SECRET not in shown
    assert json.loads(shown) == hidden(value)
    assert REDACTOR.json(shown) == shown
    assert hidden(value) == REDACTOR.value(value)


@given(harmless)
def test_what_has_no_secrets_is_the_same_object(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert REDACTOR.json(text) is text
    assert REDACTOR.value(value) == value


pieces = ["token", "api_key", "=", ": ", '"', "'", '\\"', "{", "}", "[", "]", ", ", "Bearer ", "\n", "b", REDACTED]


@given(st.lists(st.sampled_from(pieces), max_size=30).map("".join))
def test_what_follows_a_key_is_hidden_in_any_text(text: str) -> None:
    assert SECRET not in REDACTOR.text(f"{text} token={SECRET}")
    assert SECRET not in REDACTOR.text(f'{text} {{"token": "{SECRET}"')


@given(hiding)
def test_json_in_a_string_of_json(value: Any) -> None:
    shown = REDACTOR.json(json.dumps({"body": json.dumps(value), "n": 2**64}))
    assert SECRET not in shown
    assert json.loads(shown)["n"] == 2**64


def test_all_but_the_secret_stays_byte_for_byte() -> None:
    text = '{"n": 36893488147419103232, "f": 1.10, "e": 1E5, "a": 1, "a": 2,  "token" : {"x": "}"} , "é": "\\u00e9"}'
    assert REDACTOR.json(text) == text.replace('{"x": "}"}', f'"{REDACTED}"')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"pass\\u0077ord": 1}', '{"pass\\u0077ord": "[redacted]"}'),
        ('"token=hunter2"', '"token=[redacted]"'),
        ('{"password": null, "x": true}', '{"password": "[redacted]", "x": true}'),
        ('[{"secret":"a\\"b"},1]', '[{"secret":"[redacted]"},1]'),
        ('{"passwords": "kept", "token_count": 3}', '{"passwords": "kept", "token_count": 3}'),
        ("null", "null"),
    ],
)
def test_json(text: str, shown: str) -> None:
    assert REDACTOR.json(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login with password=hunter2 failed", "login with password=[redacted] failed"),
        ("password: hunter2", "password: [redacted]"),
        ("Authorization: Bearer hunter2, x", "Authorization: [redacted], x"),
        ("GET /?a=1&token=hunter2&b=2", "GET /?a=1&token=[redacted]&b=2"),
        ("API-KEY => hunter2", "API-KEY => [redacted]"),
        ("db_password=hunter2", "db_password=[redacted]"),
        ('sent {"token": "hunter2", "n": 1}', 'sent {"token": "[redacted]", "n": 1}'),
        ('sent {"token": {"a": ["hunter2", "}"]}, "n": 1}', 'sent {"token": "[redacted]", "n": 1}'),
        ("sent {'token': 'hunter2', 'n': 1}", "sent {'token': '[redacted]', 'n': 1}"),
        ("sent {b'token': b'hunter2'}", "sent {b'token': '[redacted]'}"),
        ('body="{\\"token\\": \\"hunter2\\", \\"n\\": 1}"', 'body="{\\"token\\": \\"[redacted]\\", \\"n\\": 1}"'),
        ('cut off {"token": "hunt', 'cut off {"token": "[redacted]"'),
        ('cut off {"token": {"a": "hunt', 'cut off {"token": "[redacted]"'),
        ("password:", "password:"),
        ("the password is fine, tokens: 3, asecret=1", "the password is fine, tokens: 3, asecret=1"),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert REDACTOR.text(text) == shown


@pytest.mark.parametrize("text", ["\\" * 50_000, 'token="' * 20_000, "token: " * 20_000, '\\"' * 20_000, "{" * 50_000])
def test_hostile_texts_take_no_longer(text: str) -> None:
    """Each would take minutes if any pattern went over it again and again."""
    REDACTOR.text(text)
    REDACTOR.text("token={" + text)
    REDACTOR.json(orjson.dumps({"x": text}).decode())
    without_tracebacks(text + "most recent call last")


def test_no_keys_hide_nothing() -> None:
    nothing = Redactor(["", " ", "-"])
    assert nothing.json('{"password": 1, "": 2}') == '{"password": 1, "": 2}'
    assert nothing.text("password=1 =2") == "password=1 =2"
    assert not nothing.is_secret("")


def test_tracebacks_are_cut_down_to_the_error() -> None:
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    logger = logging.getLogger("no.such.logger")
    record = logger.makeRecord("x", logging.ERROR, "file.py", 1, "it failed", (), None)
    try:
        fail()
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    text = logging.Formatter().format(record)
    assert "File" in text
    shown = without_tracebacks(text)
    assert shown.startswith(f"it failed\n{HIDDEN_TRACEBACK}\nKeyError: 'inner'\n")
    assert shown.endswith(f"{HIDDEN_TRACEBACK}\nValueError: outer")
    assert "File" not in shown
    assert "fail()" not in shown
    assert without_tracebacks("all is well\n  File is what I said") == "all is well\n  File is what I said"


def test_tracebacks_of_groups() -> None:
    text = "".join(
        [
            "  + Exception Group Traceback (most recent call last):\n",
            '  |   File "x.py", line 1, in <module>\n',
            "  | ExceptionGroup: two (1 sub-exception)\n",
            "  +-+---------------- 1 ----------------\n",
            "    | ValueError: inner\n",
            "    +------------------------------------\n",
        ]
    )
    assert "x.py" not in without_tracebacks(text)


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("style", ["json", "console"])
def test_the_servers_own_log(style: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    before = structlog.get_config()
    try:
        configure_logs(style, REDACTOR)
        ours = structlog.get_logger("signalbox.test")
        ours.info("sent", headers={"Authorization": f"Bearer {SECRET}", "n": [{"token": SECRET}]}, password=SECRET)
        ours.info(f"token={SECRET}", error=ValueError(f"password={SECRET}"))
        logging.getLogger("library").warning("said %s", {"api_key": SECRET})
        try:
            secret = SECRET  # a local variable, which some formatters print
            raise ValueError(f"secret: {secret}")
        except ValueError:
            ours.exception("failed")
    finally:
        structlog.configure(**before)
    written = capsys.readouterr().err
    assert SECRET not in written
    assert written.count(REDACTED) == 8
    assert "ValueError" in written

"""Whichever parser reads a request, it means the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.transport.requests import BadRequest, parse_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ODD = [
    *(b"1e400", b"-1e400", b"1e5", b"1E5", b"18446744073709551616", b"0.1234567890123456789", b"-0", b"-0.0", b"1.0"),
    *(b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\xed\xa0\x80"', b'"\xff"', b"NaN", b"Infinity", b"[1,]", b"01", b"1.", b""),
    *(b'{"a":1,"a":2}', b'"\t"', b"\xef\xbb\xbf1", b" 1 ", b"[" * 300 + b"]" * 300, b"[" * 5000, b'{"a":' * 2000),
]


def outcome(source: bytes | str) -> str:
    try:
        return repr(parse_json(source))
    except BadRequest as error:
        return f"refused {error.status}"


@given(VALUES, st.booleans())
def test_what_is_written_is_what_is_read(value: object, is_ascii: bool) -> None:
    try:
        source = json.dumps(value, ensure_ascii=is_ascii).encode()
    except UnicodeEncodeError:
        return
    assert outcome(source) == outcome(source.decode())


@given(st.binary(max_size=40))
def test_what_is_no_json_is_refused_by_both(source: bytes) -> None:
    try:
        text = source.decode()
    except UnicodeDecodeError:
        assert outcome(source) == "refused 400"
        return
    assert outcome(source) == outcome(text)


@pytest.mark.parametrize("source", ODD)
def test_odd_ones(source: bytes) -> None:
    try:
        text: str | bytes = source.decode()
    except UnicodeDecodeError:
        text = b"\xff"
    assert outcome(source) == outcome(text)

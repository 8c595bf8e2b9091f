"""JSON at the edge: what may be stored as a payload or a result, and why the rest is refused.

The standard library reads NaN, lone surrogates and integers of any length, which fail later at the database or in a
client; orjson writes none of these. So everything that is stored has passed ``encode_json``.
"""

from __future__ import annotations

from typing import Any

import orjson

from engine.errors import InvalidInput

MAX_DEPTH = 64
MAX_INTEGER, MIN_INTEGER = 2**64 - 1, -(2**63)


def encode_json(value: Any, field: str = "payload") -> str:
    """``value`` as the JSON text that is stored.

    Raises:
        InvalidInput: nested deeper than 64 levels, a number that is not finite or longer than 64 bits, or text that
            is not valid Unicode; the message says where.
    """
    try:
        text = orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError) as error:
        _check(value, field, 1)
        raise InvalidInput(f"{field}: it is not JSON ({error}).", field=field) from None
    # orjson writes what is not finite as null, and goes deeper: without null and with few brackets, all is well
    if b"null" in text or text.count(b"[") + text.count(b"{") > MAX_DEPTH:
        _check(value, field, 1)
    return text.decode()


def _check(value: Any, path: str, depth: int) -> None:
    kind = type(value)
    if kind is str:
        if not value.isascii():
            _check_text(value, path)
    elif kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise InvalidInput(f"{path}: this integer has more than 64 bits; send it as a string.", field=path)
    elif kind is float:
        if value - value != 0:
            raise InvalidInput(f"{path}: {value} is not a finite number, and JSON has no other.", field=path)
    elif isinstance(value, (dict, list, tuple)):
        if depth > MAX_DEPTH:
            raise InvalidInput(f"{path[:80]}: it is nested deeper than {MAX_DEPTH} levels.", field=path.split(".")[0])
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InvalidInput(f"{path}: the key {key!r} is not a string.", field=path)
                _check_text(key, path)
                _check(item, f"{path}.{key}", depth + 1)
        else:
            for index, item in enumerate(value):
                _check(item, f"{path}.{index}", depth + 1)


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{path}: character {error.start} is half of a surrogate pair, which is not valid Unicode.",
            field=path.encode(errors="replace").decode(),
        ) from None

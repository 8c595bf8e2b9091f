"""What may be stored as JSON, and the place that a refusal names."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import pytest

from engine.errors import InvalidInput
from engine.payload import MAX_INTEGER, MIN_INTEGER, encode_json


def nested(levels: int, kind: type[Any] = list) -> Any:
    value: Any = kind()
    for _ in range(levels - 1):
        value = {"a": value} if kind is dict else kind([value])
    return value


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        1.5,
        -0.0,
        1e308,
        "",
        "ä😀\x00",
        [],
        {},
        {"a": [1, {"b": None}]},
        {"": ""},
        MAX_INTEGER,
        MIN_INTEGER,
        nested(64),
        nested(64, dict),
    ],
)
def test_what_can_be_stored_comes_back_the_same(value: Any) -> None:
    assert json.loads(encode_json(value)) == value


def test_tuples_and_kinds_of_dict_are_stored_as_json_has_them() -> None:
    assert encode_json((1, OrderedDict(a=(2,)))) == '[1,{"a":[2]}]'


@pytest.mark.parametrize(
    ("value", "place", "reason"),
    [
        (float("nan"), "payload", "nan is not a finite number"),
        ({"a": [1, float("inf")]}, "payload.a.1", "inf is not a finite number"),
        ({"a": -float("inf")}, "payload.a", "not a finite number"),
        ((1, float("nan")), "payload.1", "not a finite number"),
        (OrderedDict(a=float("nan")), "payload.a", "not a finite number"),
        (2**64, "payload", "more than 64 bits"),
        ({"n": 2**70}, "payload.n", "send it as a string"),
        ([-(2**63) - 1], "payload.0", "more than 64 bits"),
        ("\ud800", "payload", "half of a surrogate pair"),
        ({"a": ["x\udfff"]}, "payload.a.0", "character 1 is half of a surrogate pair"),
        ({"a": {"\ud83d": 1}}, "payload.a", "half of a surrogate pair"),
        ({1: 2}, "payload", "the key 1 is not a string"),
        ({"a": object()}, "payload", "not JSON"),
        ({"a": b"bytes"}, "payload", "not JSON"),
        (nested(65), "payload", "deeper than 64 levels"),
        (nested(65, dict), "payload", "deeper than 64 levels"),
        (nested(65, tuple), "payload", "deeper than 64 levels"),
        (nested(3000), "payload", "deeper than 64 levels"),
        (nested(3000, dict), "payload", "deeper than 64 levels"),
    ],
)
def test_what_cannot(value: Any, place: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        encode_json(value)
    assert refusal.value.field == place
    assert str(refusal.value).startswith("payload")
    str(refusal.value).encode()


def test_a_list_that_holds_itself() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="deeper than 64 levels"):
        encode_json(endless)


def test_the_place_begins_with_the_name_of_the_field() -> None:
    with pytest.raises(InvalidInput, match=r"^result\.a: ") as refusal:
        encode_json({"a": 2**64}, "result")
    assert refusal.value.field == "result.a"

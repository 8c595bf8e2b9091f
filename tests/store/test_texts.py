"""Rows of one text column, however they arrive."""

from __future__ import annotations

import random

import pytest
from makers import create
from pymysql import err

from engine.store.store import Store
from models.backends import texts
from models.backends.texts import _Packets


def packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes((number % 256,)) + content


def length_encoded(value: bytes) -> bytes:
    size = len(value)
    if size < 251:
        return bytes((size,)) + value
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + value
    return b"\xfd" + size.to_bytes(3, "little") + value


END = b"\xfe\0\0\2\0"
VALUES = ["", "a", "\u00fc\u20ac", "x" * 250, "y" * 251, "z" * 70_000, "\ufffd", "{}" * 100]


def answer(values: list[str]) -> bytes:
    parts = [b"\1", b"\3def\0\0\0\1c\0\x0c\x2d\0\xff\xff\xff\xff\xfd\0\0\0\0\0", END]
    parts += [length_encoded(value.encode()) for value in values]
    return b"".join(packet(number + 1, part) for number, part in enumerate([*parts, END]))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000, 1 << 20])
def test_it_does_not_matter_how_an_answer_is_cut(size: int) -> None:
    data, packets = answer(VALUES), _Packets()
    for start in range(0, len(data), size):
        assert not packets.are_complete
        packets.feed(data[start : start + size])
    assert packets.are_complete
    assert packets.texts == VALUES


def test_a_value_that_needs_several_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "FULL", 100)
    value = length_encoded(b"v" * 250)
    head = answer([])[: -len(packet(0, END))]
    rest = [value[start : start + 100] for start in range(0, len(value), 100)]
    packets = _Packets()
    packets.feed(head + b"".join(packet(number, part) for number, part in enumerate(rest)) + packet(9, END))
    assert packets.texts == ["v" * 250]
    assert packets.are_complete


def test_an_error_in_the_midst_is_the_error_of_the_driver() -> None:
    packets = _Packets()
    packets.feed(answer(["a"])[: -len(packet(0, END))])
    with pytest.raises(err.OperationalError, match="gone"):
        packets.feed(packet(6, b"\xff" + (1213).to_bytes(2, "little") + b"#40001gone"))


async def test_large_payloads_come_back_as_they_are(store: Store) -> None:
    source = random.Random(1)
    payloads = ['"' + chr(source.randint(0x20AC, 0x20FF)) * size + '"' for size in (1, 250, 251, 70_000, 400_000)]
    ids = [(await create(store, payload_text=payload)).id for payload in payloads]
    rows = await store.database.fetch_packed(("id", "payload"), "FROM jobs ORDER BY id")
    assert [(int(row[0]), row[1]) for row in rows] == list(zip(ids, payloads, strict=True))


async def test_a_refused_statement_leaves_the_connection_usable(store: Store) -> None:
    for _ in range(15):
        with pytest.raises(Exception, match="nowhere"):
            await store.database.fetch_packed(("id",), "FROM jobs WHERE nowhere=1")
    assert await store.database.fetch_packed(("id",), "FROM jobs") == []

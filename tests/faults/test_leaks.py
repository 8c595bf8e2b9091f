"""What a process may hold after a run, and what is held against it."""

from __future__ import annotations

import os

from fleet import Vitals
from scenario import MORE_DESCRIPTORS, MORE_MEGABYTES, leaks


def test_files_that_are_left_open_are_seen() -> None:
    before = Vitals.of(os.getpid())
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(MORE_DESCRIPTORS + 1)]
    try:
        after = Vitals.of(os.getpid())
        assert after.descriptors == before.descriptors + MORE_DESCRIPTORS + 1
        assert len(leaks({1: before}, {1: after})) == 1
    finally:
        for each in opened:
            os.close(each)
    assert leaks({1: before}, {1: Vitals.of(os.getpid())}) == []


def test_memory_that_is_kept_is_seen() -> None:
    before = Vitals(10, 1, 80.0)
    assert leaks({1: before}, {1: Vitals(10, 1, 80.0 + MORE_MEGABYTES)}) == []
    assert len(leaks({1: before}, {1: Vitals(10, 1, 80.1 + MORE_MEGABYTES)})) == 1

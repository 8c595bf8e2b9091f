"""Loaded into a worker beside its tasks, it ends the process, as ``kill -9`` does, at a named point of a transaction.

The points: after the COMMIT of a claim, before the COMMIT of a finish, and after it.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from typing import Any

from engine.store.claims import WorkerWrites
from engine.store.mysql import MySQLTransaction
from engine.store.unit import Unit
from signalbox import task

CRASH_RATE = 0.05
_chance = random.Random(os.getpid())
_point = _chance.choice(["after claim", "before finish", "after finish"])
_touched: dict[int, str] = {}
_claim, _finish, _execute = WorkerWrites.claim, WorkerWrites.finish, MySQLTransaction.execute


async def _noted_claim(writes: WorkerWrites, unit: Unit, requests: Sequence[Any]) -> Any:
    claimed = await _claim(writes, unit, requests)
    if any(claimed):
        _touched[id(unit.transaction)] = "claim"
    return claimed


async def _noted_finish(writes: WorkerWrites, unit: Unit, requests: Sequence[Any]) -> Any:
    _touched[id(unit.transaction)] = "finish"
    return await _finish(writes, unit, requests)


async def _crashing_execute(transaction: MySQLTransaction, sql: str, parameters: Sequence[Any] = ()) -> int:
    if sql != "COMMIT":
        return await _execute(transaction, sql, parameters)
    what = _touched.pop(id(transaction), None)
    is_time = what is not None and _chance.random() < CRASH_RATE
    if is_time and _point == f"before {what}":
        os.kill(os.getpid(), signal.SIGKILL)
    changed = await _execute(transaction, sql, parameters)
    if is_time and _point == f"after {what}":
        os.kill(os.getpid(), signal.SIGKILL)
    return changed


WorkerWrites.claim = _noted_claim  # type: ignore[method-assign]
WorkerWrites.finish = _noted_finish  # type: ignore[method-assign]
MySQLTransaction.execute = _crashing_execute  # type: ignore[method-assign]


@task("crash point")
async def crash_point() -> str:
    """Where this process will end; a module of tasks must declare one."""
    return _point

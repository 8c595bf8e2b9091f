"""Loaded into a worker beside its tasks, it makes of the database one that accepts SKIP LOCKED and takes no lock, as
TiDB does: what another session did between a SELECT and its UPDATE shows only in the UPDATE's own conditions."""

from __future__ import annotations

from engine.store.mysql import MySQLTransaction
from signalbox import task

MySQLTransaction.skip_locked = ""


@task("lockless")
async def lockless() -> None:
    """A module of tasks must declare one."""

"""Migration operations of our own, beside Tortoise's."""

from __future__ import annotations

from typing import Any

from tortoise.migrations.operations import RunSQL


class MySQLOnly(RunSQL):
    """Statements for MySQL and MariaDB that SQLite has no need of.

    Args:
        statements: each one must be safe to run again, for MySQL's DDL is not atomic.
    """

    def __init__(self, statements: list[str]) -> None:
        super().__init__(statements, reverse_sql=RunSQL.noop)

    async def _run_sql(self, state_editor: Any, sqls: Any) -> None:
        if state_editor.DIALECT == "mysql":
            await super()._run_sql(state_editor, sqls)

"""Migration operations of our own, beside Tortoise's."""

from __future__ import annotations

from typing import Any

from tortoise.migrations.operations import RunSQL

EXACT_COLLATIONS = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_bin")
"""MySQL's, MariaDB's, and what older servers have, for which trailing spaces count for nothing."""


class MySQLOnly(RunSQL):
    """Statements for MySQL and MariaDB that SQLite has no need of.

    Args:
        statements: each one must be safe to run again, for MySQL's DDL is not atomic. ``{exact}`` stands for the
            server's collation that tells any two different texts apart.
    """

    def __init__(self, statements: list[str]) -> None:
        super().__init__(statements, reverse_sql=RunSQL.noop)

    async def _run_sql(self, state_editor: Any, sqls: Any) -> None:
        if state_editor.DIALECT != "mysql" or sqls == RunSQL.noop:
            return
        _count, rows = await state_editor.client.execute_query("SHOW COLLATION WHERE Charset='utf8mb4'")
        offered = {row["Collation"] for row in rows}
        exact = next(each for each in EXACT_COLLATIONS if each in offered)
        await super()._run_sql(state_editor, [statement.format(exact=exact) for statement in sqls])

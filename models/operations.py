"""Migration operations of our own, beside Tortoise's."""

from __future__ import annotations

from typing import Any

from tortoise.migrations.operations import RemoveIndex, RunSQL

EXACT_COLLATIONS = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_bin")
"""MySQL's, MariaDB's, and what older servers have, for which trailing spaces count for nothing."""


class ForgetIndex(RemoveIndex):
    """Takes an index out of the models; statements of one's own take it out of the database."""

    async def database_forward(self, *_given: Any) -> None:
        """Nothing."""

    async def database_backward(self, *_given: Any) -> None:
        """Nothing."""


class ByDialect(RunSQL):
    """Statements that differ between servers, such as columns that the server computes.

    Args:
        mysql, sqlite: the statements for each.
        unless: a column of ``table`` that is there once they have run. Then nothing is done: MySQL's DDL is not undone
            with the migration that was killed behind it.
    """

    def __init__(self, *, table: str, unless: str, mysql: list[str], sqlite: list[str]) -> None:
        super().__init__(mysql, reverse_sql=RunSQL.noop)
        self._table = table
        self._column = unless
        self._sqlite = sqlite

    async def _run_sql(self, state_editor: Any, sqls: Any) -> None:
        if sqls == RunSQL.noop:
            return
        is_mysql = state_editor.DIALECT == "mysql"
        columns = f"SHOW COLUMNS FROM {self._table}" if is_mysql else f"PRAGMA table_xinfo({self._table})"
        _count, rows = await state_editor.client.execute_query(columns)
        if self._column not in {row["Field" if is_mysql else "name"] for row in rows}:
            await super()._run_sql(state_editor, sqls if is_mysql else self._sqlite)


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

"""Objects that are answered as they are stored, without being made into records first.

A resolver that finds ``columns`` in its ``info`` may return ``StoredRows`` or a ``StoredRow`` in place of records: what
is selected of the type then comes straight from the columns, by the ``StoredType`` (``schema/stored.py``) of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from engine.store.rows import StoredRow, StoredRows


class StoredWriter:
    """Writes the same fields of many rows, column by column: a page of jobs has hundreds of values.

    Args:
        fields: the name in the answer, the column and what writes it; a constant where there is no column.
    """

    def __init__(self, fields: list[tuple[str, str | None, Any]]) -> None:
        parts = [f'"{key}":"{write}"' if column is None else f'"{key}":%s' for key, column, write in fields]
        self._template = f"{{{','.join(parts)}}}"
        self._fields = [(column, write) for _, column, write in fields if column is not None]
        self._steps: dict[tuple[str, ...], list[tuple[int, Callable[[Any], str]]]] = {}

    def row(self, found: StoredRow) -> orjson.Fragment:
        steps = self._steps.get(found.columns) or self._for(found.columns)
        values = found.values
        return orjson.Fragment(self._template % tuple([write(values[index]) for index, write in steps]))

    def rows(self, found: StoredRows) -> orjson.Fragment:
        steps = self._steps.get(found.columns) or self._for(found.columns)
        if not found.rows or not steps:
            return orjson.Fragment(f"[{','.join([self._template % ()] * len(found.rows))}]")
        columns = list(zip(*found.rows, strict=True))
        written = zip(*[map(write, columns[index]) for index, write in steps], strict=True)
        return orjson.Fragment(f"[{','.join(map(self._template.__mod__, written))}]")

    def _for(self, columns: tuple[str, ...]) -> list[tuple[int, Callable[[Any], str]]]:
        """Where each column is."""
        made = self._steps[columns] = [(columns.index(column), write) for column, write in self._fields]
        return made

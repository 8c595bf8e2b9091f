"""Objects that are answered as they are stored, without being made into records first.

A resolver that finds ``columns`` in its ``info`` may return ``StoredRows`` or a ``StoredRow`` in place of records: what
is selected of the type then comes straight from the columns, by the ``StoredType`` (``schema/stored.py``) of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.store.rows import StoredRow, StoredRows


class StoredWriter:
    """Writes the same fields of many rows.

    Args:
        fields: the name in the answer, the column and what writes it; a constant where there is no column.
    """

    def __init__(self, fields: list[tuple[str, str | None, Any]]) -> None:
        self._fields = fields
        self._steps: dict[tuple[str, ...], list[tuple[str, int, Any]]] = {}

    def row(self, found: StoredRow) -> dict[str, Any]:
        steps = self._steps.get(found.columns) or self._for(found.columns)
        values = found.values
        return {key: write(values[index]) for key, index, write in steps}

    def rows(self, found: StoredRows) -> list[dict[str, Any]]:
        steps = self._steps.get(found.columns) or self._for(found.columns)
        return [{key: write(values[index]) for key, index, write in steps} for values in found.rows]

    def _for(self, columns: tuple[str, ...]) -> list[tuple[str, int, Any]]:
        """Where each column is."""
        made = self._steps[columns] = [
            (key, 0, _constant(write)) if column is None else (key, columns.index(column), write)
            for key, column, write in self._fields
        ]
        return made


def _constant(value: Any) -> Callable[[Any], Any]:
    return lambda _value: value

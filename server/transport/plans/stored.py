"""Objects that are answered as they are stored, without being made into records first.

A resolver that finds ``columns`` in its ``info`` may return ``StoredRows`` or a ``StoredRow`` in place of records: what
is selected of the type then comes straight from the columns, by the ``StoredType`` (``schema/stored.py``) of it. Where
it finds a shape in ``shapes``, the rows may bring the JSON objects with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from engine.store.rows import StoredRow, StoredRows
from models.shapes import Shape
from server.transport.plans.inputs import Unusual


class StoredWriter:
    """Writes the same fields of many rows, column by column: a page of jobs has hundreds of values.

    Args:
        fields: the name in the answer, the column and what writes it; a constant where there is no column.
        shape: the same for a database, if it can write all of it.
    """

    def __init__(self, fields: list[tuple[str, str | None, Any]], shape: Shape | None) -> None:
        self.shape = shape
        parts = [f'"{key}":"{write}"' if column is None else f'"{key}":%s' for key, column, write in fields]
        self._template = f"{{{','.join(parts)}}}"
        self._fields = [(column, write) for _, column, write in fields if column is not None]
        self._steps: dict[tuple[str, ...], list[tuple[int, Callable[[Any], str]]]] = {}

    def row(self, found: StoredRow) -> orjson.Fragment:
        if found.shape is not None:
            self._expect(found.shape)
            return orjson.Fragment(found.values[-1])
        steps = self._steps.get(found.columns) or self._for(found.columns)
        values = found.values
        return orjson.Fragment(self._template % tuple([write(values[index]) for index, write in steps]))

    def rows(self, found: StoredRows) -> orjson.Fragment:
        if found.shape is not None:
            self._expect(found.shape)
            return orjson.Fragment(f"[{','.join([row[-1] for row in found.rows])}]")
        steps = self._steps.get(found.columns) or self._for(found.columns)
        if not found.rows or not steps:
            return orjson.Fragment(f"[{','.join([self._template % ()] * len(found.rows))}]")
        columns = list(zip(*found.rows, strict=True))
        written = zip(*[map(write, columns[index]) for index, write in steps], strict=True)
        return orjson.Fragment(f"[{','.join(map(self._template.__mod__, written))}]")

    def _expect(self, shape: Shape) -> None:
        if self.shape is None or shape.fields != self.shape.fields:
            raise Unusual

    def _for(self, columns: tuple[str, ...]) -> list[tuple[int, Callable[[Any], str]]]:
        """Where each column is."""
        made = self._steps[columns] = [(columns.index(column), write) for column, write in self._fields]
        return made

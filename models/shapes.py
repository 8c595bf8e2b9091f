"""JSON objects of a row's columns, as clients select them: what a database needs to know to write them itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """How a column is told in JSON, for databases that write it themselves (``Database.as_json``)."""

    ID = "ID"
    TEXT = "TEXT"
    JSON = "JSON"
    LIST = "LIST"
    INTEGER = "INTEGER"
    PRIORITY = "PRIORITY"
    STATUS = "STATUS"
    MOMENT = "MOMENT"


@dataclass(frozen=True, slots=True)
class ShapeField:
    """A field of a JSON object: a column in a form, or a text where there is no column."""

    key: str
    column: str | None
    form: Form
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A JSON object of a job's columns."""

    fields: tuple[ShapeField, ...]

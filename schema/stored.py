"""Fields that are columns: what of a type can be answered as it is stored, without a record of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.enums import Role
from models.shapes import Form


@dataclass(frozen=True, slots=True)
class StoredField:
    """``write`` makes JSON, as text, of the column's value; ``form`` is how a database does, if it can. Callers below
    the role ``since`` see another one."""

    column: str
    write: Callable[[Any], str]
    since: Role = Role.VIEWER
    form: Form | None = None


StoredType = Mapping[str, StoredField]
"""By the field's name, as clients see it."""

"""Fields that are columns: what of a type can be answered as it is stored, without a record of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.enums import Role


@dataclass(frozen=True, slots=True)
class StoredField:
    """``write`` makes JSON, as text, of the column's value. Callers below the role ``since`` see another one."""

    column: str
    write: Callable[[Any], str]
    since: Role = Role.VIEWER


StoredType = Mapping[str, StoredField]
"""By the field's name, as clients see it."""

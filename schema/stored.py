"""Fields that are columns: what of a type can be answered as it is stored, without a record of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.enums import Role


@dataclass(frozen=True, slots=True)
class StoredField:
    """``write`` makes what JSON has of the column. Callers below the role ``since`` do not see it as it is."""

    column: str
    write: Callable[[Any], Any]
    since: Role = Role.VIEWER


StoredType = Mapping[str, StoredField]
"""By the field's name, as clients see it."""

"""What an operation answers, as it goes over any wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson


def encode(value: object) -> bytes:
    """JSON of what a resolver returned; stored JSON goes through as ``orjson.Fragment``, never parsed again."""
    return orjson.dumps(value)


@dataclass(frozen=True, slots=True)
class GraphQLResponse:
    """One response, encoded once however many clients it goes to.

    ``has_data`` is False where there is no ``data`` key: the operation was refused, or its source ended with an error.
    """

    body: bytes
    has_data: bool
    errors: tuple[dict[str, Any], ...] = ()

    @property
    def code(self) -> str | None:
        """The first error's code."""
        return str(self.errors[0]["extensions"]["code"]) if self.errors else None

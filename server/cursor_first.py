"""``eventCursor`` is taken before any other field of its operation reads, wherever it stands in the document."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from graphql import BREAK, FieldNode, Visitor, visit

from server.transport.documents import Asked, Document

FIELD = "eventCursor"


def cursor_first(asked: Asked) -> Awaitable[None] | None:
    """The preparation (``server.transport.documents``) of an operation that may ask for the cursor."""
    wanted = asked.document.notes.get(FIELD)
    if wanted is None:
        wanted = asked.document.notes[FIELD] = _is_in(asked.document)
    if not wanted:
        return None
    taking: Awaitable[None] = asked.context.take_cursor()
    return taking


def _is_in(document: Document) -> bool:
    found = _Found()
    visit(document.parsed, found)
    return found.is_there


class _Found(Visitor):
    """Looks for the field in every operation and fragment: where it is asked for in vain, it costs a read or two."""

    def __init__(self) -> None:
        super().__init__()
        self.is_there = False

    def enter_field(self, node: FieldNode, *_: Any) -> Any:
        if node.name.value == FIELD:
            self.is_there = True
            return BREAK
        return None

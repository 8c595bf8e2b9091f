"""How large a document may be: counted on its syntax alone, before validation, which such documents can hold for long.

Every fragment is walked once, however often it is spread. What is not legal GraphQL, such as unknown fragments or those
that spread themselves, is left for validation to report.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)

from engine.errors import SignalboxError

MANY = 1_000_000_000
"""Figures are not told beyond this."""
MAX_NESTING = 100
"""Selection sets and fragments inside each other: beyond any real document, and far from Python's recursion limit."""

_MESSAGES = {
    "depth": "The document is {measured} levels deep; at most {max} are allowed. Ask for the rest in another query.",
    "aliases": "The document has {measured} aliases, with those of fragments; at most {max} are allowed.",
    "rootFields": "The operation has {measured} fields at its root; at most {max} are allowed. Split it into several.",
    "directives": "The document has {measured} directives, with those of fragments; at most {max} are allowed.",
    "repeats": "The document selects fields again and again ({measured} pairs); at most {max} are allowed.",
    "tokens": "The document has more than {max} tokens. Send long values as variables.",
    "cost": "The operation costs {measured}; at most {max} are allowed. Ask for fewer fields or smaller pages: a "
    "page's size multiplies what is selected in it.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is allowed.

    Args:
        introspection_depth: of what is beneath ``__schema`` and ``__type``, where clients unwrap types level by level.
        repeats: pairs of selections of one field in one place, which validation compares one by one.
        cost: about the number of values in the answer; see ``cost``.
        tokens: words and signs of a document, and comments likewise.
    """

    depth: int = 12
    introspection_depth: int = 20
    aliases: int = 30
    root_fields: int = 20
    directives: int = 50
    repeats: int = 3_000
    cost: int = 10_000
    tokens: int = 10_000


class TooComplex(GraphQLError):
    """The operation is more than is allowed."""

    def __init__(self, limit: str, measured: int, maximum: int) -> None:
        measured = min(measured, MANY)
        super().__init__(
            _MESSAGES[limit].format(measured=measured, max=maximum),
            extensions={"code": "TOO_COMPLEX", "limit": limit, "measured": measured, "max": maximum},
        )


class TimedOut(SignalboxError):
    """The query took too long and was stopped; ask for less, or try again later."""

    code = "TIMEOUT"


@dataclass(slots=True)
class _Figures:
    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    root_fields: int = 0
    directives: int = 0
    fields: int = 0
    nesting: int = 0


_NOTHING = _Figures()


def exceeded(document: DocumentNode, limits: Limits) -> TooComplex | None:
    """The first limit that the document is beyond; None when it is within all of them."""
    try:
        _Measure(document, limits).check()
    except TooComplex as error:
        return error
    return None


class _Measure:
    def __init__(self, document: DocumentNode, limits: Limits) -> None:
        self._limits = limits
        self._definitions = [
            each for each in document.definitions if isinstance(each, OperationDefinitionNode | FragmentDefinitionNode)
        ]
        self._fragments = {
            each.name.value: each.selection_set
            for each in self._definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        self._measured: dict[str, _Figures] = {}

    def check(self) -> None:
        limits = self._limits
        repeats = 0
        for definition in self._definitions:
            figures = self._set(definition.selection_set, 1)
            is_operation = isinstance(definition, OperationDefinitionNode)
            # A fragment may be beneath __schema: it counts where it is spread.
            _refuse("depth", figures.depth, limits.depth if is_operation else limits.introspection_depth)
            _refuse("depth", figures.introspection_depth, limits.introspection_depth)
            _refuse("depth", figures.nesting, MAX_NESTING)
            _refuse("aliases", figures.aliases, limits.aliases)
            if is_operation:
                _refuse("rootFields", figures.root_fields, limits.root_fields)
            _refuse("directives", figures.directives + len(definition.directives or ()), limits.directives)
            # Each field costs one at least.
            _refuse("cost", figures.fields, limits.cost)
            repeats += self._repeats(definition.selection_set)
            _refuse("repeats", repeats, limits.repeats)

    def _set(self, selection_set: SelectionSetNode, level: int) -> _Figures:
        _refuse("depth", level, MAX_NESTING)
        total = _Figures(nesting=1)
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                found = self._field(selection, level)
            elif isinstance(selection, FragmentSpreadNode):
                found = self._fragment(selection.name.value, level)
            else:
                found = self._set(selection.selection_set, level + 1)  # type: ignore[attr-defined]
            total.depth = max(total.depth, found.depth)
            total.introspection_depth = max(total.introspection_depth, found.introspection_depth)
            total.nesting = max(total.nesting, found.nesting + 1)
            total.aliases += found.aliases
            total.root_fields += found.root_fields
            total.directives += found.directives + len(selection.directives or ())
            total.fields += found.fields
        return total

    def _field(self, field: FieldNode, level: int) -> _Figures:
        inner = self._set(field.selection_set, level + 1) if field.selection_set else _NOTHING
        is_introspection = field.name.value in ("__schema", "__type")
        return _Figures(
            depth=1 if is_introspection else 1 + inner.depth,
            introspection_depth=(
                1 + max(inner.depth, inner.introspection_depth) if is_introspection else inner.introspection_depth
            ),
            aliases=inner.aliases + (field.alias is not None),
            root_fields=1,
            directives=inner.directives,
            fields=1 + inner.fields,
            nesting=inner.nesting,
        )

    def _fragment(self, name: str, level: int) -> _Figures:
        if name not in self._measured:
            self._measured[name] = _NOTHING  # for those that spread themselves
            if name in self._fragments:
                self._measured[name] = self._set(self._fragments[name], level + 1)
        return self._measured[name]

    def _repeats(self, root: SelectionSetNode) -> int:
        """How many pairs of selections of one name meet in one place, once all are merged as execution does."""
        limits = self._limits
        repeats = visited = 0
        places: list[tuple[list[SelectionSetNode], int]] = [([root], 1)]
        while places:
            sets, depth = places.pop()
            names: dict[str, list[FieldNode]] = {}
            spread: set[str] = set()
            while sets:
                for selection in sets.pop().selections:
                    visited += 1
                    if isinstance(selection, FieldNode):
                        names.setdefault((selection.alias or selection.name).value, []).append(selection)
                    elif isinstance(selection, FragmentSpreadNode):
                        name = selection.name.value
                        if name in self._fragments and name not in spread:
                            spread.add(name)
                            sets.append(self._fragments[name])
                    else:
                        sets.append(selection.selection_set)  # type: ignore[attr-defined]
            for fields in names.values():
                repeats += len(fields) * (len(fields) - 1) // 2
                inner = [each.selection_set for each in fields if each.selection_set]
                if inner and depth <= limits.introspection_depth:
                    places.append((inner, depth + 1))
            if repeats > limits.repeats:
                break
            # Only fragments that spread themselves make more of it than was counted before.
            _refuse("cost", visited, 4 * limits.cost)
        return repeats


def _refuse(limit: str, measured: int, maximum: int) -> None:
    if measured > maximum:
        raise TooComplex(limit, measured, maximum)

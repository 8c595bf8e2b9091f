"""What an operation costs: about the number of values in its answer, known before it is executed.

Each field costs one. A list multiplies what is selected in it by the page's size that was asked for (``first``,
``last``), else by a fixed figure. The formula is made once for each operation of a document; only the sizes that
variables give are looked up for each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from server.transport.documents import Asked
from server.transport.limits import Limits, TooComplex

SIZE_ARGUMENTS = ("first", "last")
DEFAULT_PAGE = 50
MAX_PAGE = 100
"""Larger pages are refused by the fields themselves, with an error that says so."""
UNPAGED = 5
"""What a list without pages counts as: a job's events, attempts, tags."""
LONG_LISTS = frozenset({"Throughput.points"})
"""Lists without pages that count as a full one."""


@dataclass(frozen=True, slots=True)
class _Size:
    """A page's size: numbers as written, and names of variables."""

    given: tuple[int | str, ...]
    default: int

    def value(self, variables: Mapping[str, Any]) -> int:
        found = [each if isinstance(each, int) else variables.get(each) for each in self.given]
        numbers = [int(each) for each in found if isinstance(each, int | float) and not isinstance(each, bool)]
        return max(0, min(max(numbers, default=self.default), MAX_PAGE))


# In place of the size of the connection around it, until that is known.
_AROUND = _Size((), UNPAGED)
_Formula = dict[tuple[_Size, ...], int]
"""A sum of products of sizes, each so many times."""


class CostLimit:
    """The check that refuses what costs more than ``limits.cost``; ``of`` tells the cost to whoever counts it."""

    def __init__(self, schema: strawberry.Schema, limits: Limits | None = None) -> None:
        self._schema = schema._schema
        self._max = (limits or Limits()).cost

    def __call__(self, asked: Asked) -> None:
        cost = self.of(asked)
        if cost > self._max:
            raise TooComplex("cost", cost, self._max)

    def of(self, asked: Asked) -> int:
        """What the operation costs with the request's variables; 0 when there is none of the name asked for."""
        operation, document = asked.operation, asked.document
        if operation is None or document.ast is None:
            return 0
        key = ("cost", operation.name.value if operation.name else None)
        found = document.notes.get(key)
        if found is None:
            fragments = {
                each.name.value: each for each in document.ast.definitions if isinstance(each, FragmentDefinitionNode)
            }
            found = document.notes[key] = (
                _Compiler(self._schema, fragments).operation(operation),
                _defaults(operation),
            )
        formula, defaults = found
        variables = {**defaults, **(asked.request.variables or {})}
        total = 0
        for sizes, count in formula.items():
            for size in sizes:
                count *= size.value(variables)
            total += count
        return int(total)


class _Compiler:
    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._compiled: dict[str, _Formula] = {}

    def operation(self, operation: OperationDefinitionNode) -> _Formula:
        root = self._schema.get_root_type(operation.operation)
        return {} if root is None else self._set(operation.selection_set, root)

    def _set(self, selection_set: SelectionSetNode, parent: Any) -> _Formula:
        total: _Formula = {}
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                _add(total, self._field(selection, parent))
            elif isinstance(selection, FragmentSpreadNode):
                _add(total, self._fragment(selection.name.value))
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                _add(total, self._set(selection.selection_set, inner))
        return total

    def _fragment(self, name: str) -> _Formula:
        if name not in self._compiled:
            fragment = self._fragments[name]
            condition = self._schema.get_type(fragment.type_condition.name.value)
            self._compiled[name] = self._set(fragment.selection_set, condition)
        return self._compiled[name]

    def _field(self, field: FieldNode, parent: GraphQLCompositeType) -> _Formula:
        definition = self._schema.get_field(parent, field.name.value)
        if definition is None:
            return {(): 1}
        size = _size(field, definition)
        if f"{parent.name}.{field.name.value}" in LONG_LISTS:
            size = _Size((), MAX_PAGE)
        inner: _Formula = {(): 1}
        if field.selection_set:
            inner = self._set(field.selection_set, get_named_type(definition.type))
        if _is_list(definition):
            multiplied = _within(inner, None)
            total = _within({(*sizes, _AROUND): count for sizes, count in multiplied.items()}, size or _AROUND)
        else:
            total = _within(inner, size)
            if not field.selection_set:
                return total
        _add(total, {(): 1})
        return total


def _within(formula: _Formula, size: _Size | None) -> _Formula:
    """``formula`` with the size of the connection around it; without one, lists in it count as unpaged."""
    total: _Formula = {}
    for sizes, count in formula.items():
        if size is None:
            known = tuple(each for each in sizes if each is not _AROUND)
            _add(total, {known: count * UNPAGED ** (len(sizes) - len(known))})
        else:
            _add(total, {tuple(size if each is _AROUND else each for each in sizes): count})
    return total


def _add(total: _Formula, other: _Formula) -> None:
    for sizes, count in other.items():
        total[sizes] = total.get(sizes, 0) + count


def _size(field: FieldNode, definition: GraphQLField) -> _Size | None:
    """The page's size that the field is asked for; None where it has no pages."""
    offered = [name for name in SIZE_ARGUMENTS if name in definition.args]
    if not offered:
        return None
    defaults = [definition.args[name].default_value for name in offered]
    default = next((each for each in defaults if isinstance(each, int)), DEFAULT_PAGE)
    given: list[int | str] = []
    for argument in field.arguments or ():
        if argument.name.value in offered:
            if isinstance(argument.value, IntValueNode):
                given.append(int(argument.value.value))
            elif isinstance(argument.value, VariableNode):
                given.append(argument.value.name.value)
    return _Size(tuple(given), default)


def _is_list(definition: GraphQLField) -> bool:
    kind = definition.type
    return isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList)


def _defaults(operation: OperationDefinitionNode) -> dict[str, int]:
    return {
        each.variable.name.value: int(each.default_value.value)
        for each in operation.variable_definitions or ()
        if isinstance(each.default_value, IntValueNode)
    }

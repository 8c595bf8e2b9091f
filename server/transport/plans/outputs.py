"""From what a resolver returned to what is encoded as JSON: functions that are made once for what is selected.

Fields without a resolver are attributes; those of ``resolvers/visibility.py`` look at the caller. A field that has
another resolver makes the operation ``Unplannable``, but at the root.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import strawberry
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    is_leaf_type,
)

from engine.store.rows import StoredRow, StoredRows
from models.enums import Role
from models.shapes import Form, Shape, ShapeField
from schema.stored import StoredType
from server.transport.plans.inputs import DEFINITION, Unplannable, Unusual
from server.transport.plans.selections import Selections
from server.transport.plans.stored import StoredWriter

Write = Callable[[Any, Any], Any]
"""Makes JSON's form of a value that is not None, for a caller's context."""
_PLAIN: Mapping[str, type] = {"String": str, "ID": str, "Int": int, "Boolean": bool}


class Outputs:
    """Makes the functions for one operation and role.

    Args:
        stored: the types that may be answered as they are stored, by name.

    Attributes:
        columns: what is asked of such types, by their names; None where all of the record is needed.
    """

    def __init__(
        self, schema: strawberry.Schema, selections: Selections, role: Role | None, stored: Mapping[str, StoredType]
    ) -> None:
        self._schema = schema._schema
        self._selections = selections
        self._role = role
        self._stored = stored
        self.columns: dict[str, set[str] | None] = {}
        self._shapes: dict[str, list[Shape | None]] = {}

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """The JSON objects that are asked of such types, where one is the same wherever it is selected."""
        found: dict[str, Shape] = {}
        for name, (first, *others) in self._shapes.items():
            if first is not None and all(each is not None and each.fields == first.fields for each in others):
                found[name] = first
        return found

    def of(self, nodes: Sequence[FieldNode], kind: GraphQLOutputType) -> Write:
        """What writes a value of ``kind``, None included, for which ``nodes`` say what is selected."""
        if isinstance(kind, GraphQLNonNull):
            return _required(self._present(nodes, kind.of_type))
        return _nullable(self._present(nodes, kind))

    def _present(self, nodes: Sequence[FieldNode], kind: Any) -> Write:
        if is_leaf_type(kind):
            return _leaf(kind)
        if isinstance(kind, GraphQLList):
            return self._list(nodes, kind)
        if isinstance(kind, GraphQLObjectType) and kind.is_type_of is None:
            return self._object(nodes, kind)
        raise Unplannable

    def _list(self, nodes: Sequence[FieldNode], kind: GraphQLList[Any]) -> Write:
        item = self.of(nodes, kind.of_type)
        named = kind.of_type.of_type if isinstance(kind.of_type, GraphQLNonNull) else kind.of_type
        rows = self._rows(nodes, named) if isinstance(named, GraphQLObjectType) else None

        def write(value: Any, context: Any) -> Any:
            if rows is not None and type(value) is StoredRows:
                return rows.rows(value)
            if type(value) not in (list, tuple):
                raise Unusual
            return [item(each, context) for each in value]

        return write

    def _object(self, nodes: Sequence[FieldNode], kind: GraphQLObjectType) -> Write:
        fields = self._fields(nodes, kind)
        rows = self._rows(nodes, kind)
        steps = [(key, self._field(same, kind)) for key, same in fields.items()]

        def write(value: Any, context: Any) -> Any:
            if rows is not None and type(value) is StoredRow:
                return rows.row(value)
            return {key: step(value, context) for key, step in steps}

        return write

    def _fields(self, nodes: Sequence[FieldNode], kind: GraphQLObjectType) -> dict[str, list[FieldNode]]:
        return self._selections.of([each.selection_set for each in nodes if each.selection_set], kind)

    def _field(self, nodes: list[FieldNode], parent: GraphQLObjectType) -> Write:
        name = nodes[0].name.value
        if name == "__typename":
            return lambda _value, _context: parent.name
        field = parent.fields.get(name)
        if field is None:
            raise Unplannable
        write = self.of(nodes, field.type)
        shown = getattr(field.resolve, "shown", None)
        if shown is not None:
            return lambda record, context: write(shown(record, context), context)
        attribute = _attribute(field)
        is_required = isinstance(field.type, GraphQLNonNull)
        named = field.type.of_type if is_required else field.type
        if is_leaf_type(named):
            return _leaf_attribute(attribute, named, is_required=is_required)
        return lambda record, context: write(getattr(record, attribute), context)

    def _rows(self, nodes: Sequence[FieldNode], kind: GraphQLObjectType) -> StoredWriter | None:
        """What writes ``kind`` as it is stored; None where that is not possible for all that is selected."""
        if kind.name not in self._stored:
            return None
        known = self._stored[kind.name]
        written: list[tuple[str, str | None, Any]] = []
        shape: list[ShapeField | None] = []
        for key, same in self._fields(nodes, kind).items():
            name = same[0].name.value
            field = known.get(name)
            if name == "__typename":
                written.append((key, None, kind.name))
                shape.append(ShapeField(key, None, Form.TEXT, kind.name))
            elif field is None or self._role is None or self._role < field.since:
                self.columns[kind.name] = None
                return None
            else:
                written.append((key, field.column, field.write))
                shape.append(None if field.form is None else ShapeField(key, field.column, field.form))
        whole = tuple(each for each in shape if each is not None)
        made = Shape(whole) if len(whole) == len(shape) else None
        self._shapes.setdefault(kind.name, []).append(made)
        columns = self.columns.setdefault(kind.name, set())
        if columns is not None:
            columns.update(column for _, column, _ in written if column is not None)
        return StoredWriter(written, made)


def _attribute(field: GraphQLField) -> str:
    """The attribute that a field without a resolver is."""
    definition = field.extensions[DEFINITION]
    if not getattr(field.resolve, "_is_default", False) or field.args or not definition.is_basic_field:
        raise Unplannable
    return cast(str, definition.python_name)


def _required(write: Write) -> Write:
    def required(value: Any, context: Any) -> Any:
        if value is None:
            raise Unusual
        return write(value, context)

    return required


def _nullable(write: Write) -> Write:
    return lambda value, context: None if value is None else write(value, context)


def _leaf(kind: GraphQLLeafType) -> Write:
    written = _written(kind)
    return lambda value, _context: written(value)


def _leaf_attribute(attribute: str, kind: GraphQLLeafType, *, is_required: bool) -> Write:
    """A leaf that is an attribute, in one step: nearly all that is selected is."""
    get = operator.attrgetter(attribute)
    plain = _PLAIN.get(kind.name)
    written = _written(kind)

    def write(record: Any, _context: Any) -> Any:
        value = get(record)
        if type(value) is plain:
            return value
        if value is not None:
            return written(value)
        if is_required:
            raise Unusual
        return None

    return write


def _written(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    """What writes a value of ``kind`` that is not None."""
    serialize = kind.coerce_output_value
    if isinstance(kind, GraphQLEnumType):
        names: dict[Any, Any] = {}

        def name(value: Any) -> Any:
            try:
                return names[value]
            except KeyError:
                made = names[value] = serialize(value)
                return made

        return name
    if kind.name == "ID":
        return lambda value: str(value) if type(value) is int else serialize(value)
    plain = _PLAIN.get(kind.name)
    return serialize if plain is None else lambda value: value if type(value) is plain else serialize(value)

"""Variables and arguments, from JSON and literals to what resolvers take, in one step.

graphql-core coerces a value to one of GraphQL's, Strawberry that to one of Python's. Here both are done by functions
that were made once for each type; anything that is not plainly right is ``Unusual``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import strawberry
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    Visitor,
    type_from_ast,
    visit,
)
from graphql.utilities import coerce_input_literal
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryMaybe

MAX_INT = 2**31
MISSING: Any = object()
"""What a variable is that was not given and has no default."""
Variables = Mapping[str, Any]
Coerce = Callable[[Any], Any]
Given = Callable[[Variables], Any]
DEFINITION = "strawberry-definition"


class Unplannable(Exception):
    """This operation has no plan."""


class Unusual(Exception):
    """This request is not for its plan."""


class Inputs:
    """Makes the functions for one schema's input types; each type's is made once."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._made: dict[str, Coerce] = {}

    def variables(self, operation: OperationDefinitionNode) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """What makes an operation's variables from those of a request."""
        steps: list[tuple[str, Coerce, Given | None, bool]] = []
        for each in operation.variable_definitions or ():
            kind = type_from_ast(self._schema._schema, each.type)
            if kind is None:
                raise Unplannable
            default = None
            if each.default_value is not None:
                default = self._literal(each.default_value, cast(GraphQLInputType, kind))
            is_required = isinstance(kind, GraphQLNonNull)
            steps.append((each.variable.name.value, self._coerce(cast(GraphQLInputType, kind)), default, is_required))

        def coerced(given: Mapping[str, Any]) -> dict[str, Any]:
            found = {}
            for name, coerce, default, is_required in steps:
                if name in given:
                    found[name] = coerce(given[name])
                elif default is not None:
                    found[name] = default({})
                elif is_required:
                    raise Unusual
            return found

        return coerced

    def arguments(self, node: FieldNode, field: GraphQLField) -> Given:
        """What makes the keyword arguments of a field's resolver from the variables."""
        definition = field.extensions[DEFINITION]
        names = self._schema.config.name_converter
        written = {each.name.value: each.value for each in node.arguments or ()}
        steps: list[tuple[str, Given, bool]] = []
        for argument in definition.arguments:
            name = names.from_argument(argument)
            kind = field.args[name].type
            if isinstance(argument.type, StrawberryMaybe):
                raise Unplannable
            if name in written:
                is_required = isinstance(kind, GraphQLNonNull) and field.args[name].default_value is Undefined
                steps.append((argument.python_name, self._literal(written[name], kind), is_required))

        def given(variables: Variables) -> dict[str, Any]:
            found = {}
            for name, value_of, is_required in steps:
                value = value_of(variables)
                if value is not MISSING:
                    found[name] = value
                elif is_required:
                    raise Unusual
            return found

        return given

    def _coerce(self, kind: GraphQLInputType) -> Coerce:
        if isinstance(kind, GraphQLNonNull):
            inner = self._coerce(kind.of_type)

            def required(value: Any) -> Any:
                if value is None:
                    raise Unusual
                return inner(value)

            return required
        if isinstance(kind, GraphQLList):
            return _list(self._coerce(kind.of_type))
        if kind.name not in self._made:
            self._made[kind.name] = _never
            self._made[kind.name] = self._named(kind)
        elif self._made[kind.name] is _never:
            raise Unplannable  # a type that holds itself
        return self._made[kind.name]

    def _named(self, kind: Any) -> Coerce:
        if isinstance(kind, GraphQLEnumType):
            table = self._members(kind)

            def member(value: Any) -> Any:
                if value is None:
                    return None
                if type(value) is not str or value not in table:
                    raise Unusual
                return table[value]

            return member
        if isinstance(kind, GraphQLScalarType):
            return _SCALARS.get(kind.name) or _scalar(kind)
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind)
        raise Unplannable

    def _members(self, kind: GraphQLEnumType) -> dict[str, Any]:
        definition = kind.extensions[DEFINITION]
        return {
            name: convert_argument(
                kind.coerce_input_value(name),
                definition,
                self._schema.schema_converter.scalar_registry,
                self._schema.config,
            )
            for name in kind.values
        }

    def _object(self, kind: GraphQLInputObjectType) -> Coerce:
        build, fields = self._fields(kind)
        steps = [(name, python_name, self._coerce(of_kind), need) for name, python_name, of_kind, need in fields]

        def made(value: Any) -> Any:
            if value is None:
                return None
            if type(value) is not dict:
                raise Unusual
            found = {}
            for name, python_name, coerce, is_required in steps:
                if name in value:
                    found[python_name] = coerce(value[name])
                elif is_required:
                    raise Unusual
            if len(found) != len(value):
                raise Unusual
            return build(found)

        return made

    def _fields(
        self, kind: GraphQLInputObjectType
    ) -> tuple[Callable[[dict[str, Any]], Any], list[tuple[str, str, GraphQLInputType, bool]]]:
        """How an object of Python's is made, and its fields: their names here and there, type, and whether they must
        be given."""
        definition = kind.extensions[DEFINITION]
        if kind.is_one_of or definition.from_input is not None:
            raise Unplannable
        names = self._schema.config.name_converter
        fields = []
        implied: dict[str, Any] = {}
        for field in definition.fields:
            if isinstance(field.resolve_type(type_definition=definition), StrawberryMaybe):
                raise Unplannable
            name = names.from_field(field)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                implied[field.python_name] = None
            declared = kind.fields[name]
            is_required = isinstance(declared.type, GraphQLNonNull) and declared.default_value is Undefined
            fields.append((name, field.python_name, declared.type, is_required))
        origin = definition.origin
        return lambda found: origin(**{**implied, **found}), fields

    def _literal(self, node: ValueNode, kind: GraphQLInputType) -> Given:
        """What a value in the document means, with the variables in it."""
        if isinstance(node, VariableNode):
            return _variable(node.name.value, isinstance(kind, GraphQLNonNull))
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
            if isinstance(node, NullValueNode):
                raise Unplannable
        if isinstance(node, NullValueNode):
            return lambda _variables: None
        if isinstance(kind, GraphQLList):
            nodes = node.values if isinstance(node, ListValueNode) else (node,)
            is_required = isinstance(kind.of_type, GraphQLNonNull)
            items = [self._literal(each, kind.of_type) for each in nodes]
            return lambda variables: [_item(each(variables), is_required) for each in items]
        if isinstance(kind, GraphQLInputObjectType):
            if not isinstance(node, ObjectValueNode):
                raise Unplannable
            return self._object_literal(node, kind)
        if _has_variables(node):
            raise Unplannable
        if isinstance(kind, GraphQLEnumType):
            value = self._members(kind).get(getattr(node, "value", None) or "", MISSING)
            if value is MISSING:
                raise Unplannable
            return lambda _variables: value
        if coerce_input_literal(cast(Any, node), kind) is Undefined:
            raise Unplannable
        return lambda _variables: coerce_input_literal(cast(Any, node), kind)  # made anew: it may be changed

    def _object_literal(self, node: ObjectValueNode, kind: GraphQLInputObjectType) -> Given:
        build, fields = self._fields(kind)
        written = {each.name.value: each.value for each in node.fields}
        steps = [
            (python_name, self._literal(written[name], of_kind), is_required)
            for name, python_name, of_kind, is_required in fields
            if name in written
        ]

        def made(variables: Variables) -> Any:
            found = {}
            for python_name, value_of, is_required in steps:
                value = value_of(variables)
                if value is not MISSING:
                    found[python_name] = value
                elif is_required:
                    raise Unusual
            return build(found)

        return made


def _never(_value: Any) -> Any:
    raise Unusual


def _list(inner: Coerce) -> Coerce:
    def items(value: Any) -> Any:
        if value is None:
            return None
        return [inner(each) for each in value] if type(value) is list else [inner(value)]

    return items


def _item(value: Any, is_required: bool) -> Any:
    if value is MISSING:
        if is_required:
            raise Unusual
        return None
    return value


def _variable(name: str, is_required: bool) -> Given:
    def value_of(variables: Variables) -> Any:
        value = variables.get(name, MISSING)
        if value is None and is_required:
            raise Unusual
        return value

    return value_of


def _scalar(kind: GraphQLScalarType) -> Coerce:
    coerce = kind.coerce_input_value

    def scalar(value: Any) -> Any:
        if value is None:
            return None
        try:
            return coerce(value)
        except Exception:  # noqa: BLE001 (whatever a scalar raises, the executor will meet it again and word it)
            raise Unusual from None

    return scalar


def _text(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    raise Unusual


def _int(value: Any) -> Any:
    if value is None or (type(value) is int and -MAX_INT <= value < MAX_INT):
        return value
    raise Unusual


def _boolean(value: Any) -> Any:
    if value is None or type(value) is bool:
        return value
    raise Unusual


def _has_variables(node: ValueNode) -> bool:
    found = _VariableFinder()
    visit(node, found)
    return found.is_there


class _VariableFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.is_there = False

    def enter_variable(self, *_: object) -> None:
        self.is_there = True


_SCALARS: dict[str, Coerce] = {"String": _text, "Int": _int, "Boolean": _boolean, "ID": _text}
"""Those that clients send nearly always as what they are; an ID that is a number is for the executor."""

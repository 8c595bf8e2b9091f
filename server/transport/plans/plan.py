"""A plan: one operation of a document, ready to be answered, or one subscription, ready to tell of its events.

Resolvers at the root are called as the executor calls them: those of a query side by side. The checks, the time limit,
the spans and the wording of errors are those of ``execution``: a plan takes the place of graphql-core's executor alone.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import strawberry
from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLNonNull,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    located_error,
    visit,
)

from models.enums import Role
from models.shapes import Shape
from schema.stored import StoredType
from server.transport.documents import Asked, Document
from server.transport.limits import TimedOut
from server.transport.plans.inputs import DEFINITION, Given, Inputs, Unplannable, Unusual
from server.transport.plans.outputs import Outputs, Write
from server.transport.plans.selections import Selections

MAX_VARIANTS = 64
"""Of one plan, by role and by what its directives are given; beyond, the executor answers."""
Wait = Callable[[Awaitable[Any], Asked], Awaitable[Any]]
"""Waits for a resolver as long as the operation may take."""
WriteEvent = Callable[[Any, Any], dict[str, Any]]
V = TypeVar("V")
P = TypeVar("P", "Plan", "EventPlan")


@dataclass(slots=True)
class PlanInfo:
    """What resolvers find in their ``info`` beside Strawberry's: for which columns a stored type may be returned, and
    as which JSON object."""

    context: Any
    columns: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class _Root:
    """A field at the root that has a resolver."""

    key: str
    nodes: list[FieldNode]
    resolve: Callable[..., Any]
    needs_source: bool
    info_name: str | None
    arguments: Given
    write: Write
    is_async: bool
    is_required: bool

    def call(self, info: PlanInfo, arguments: dict[str, Any]) -> Any:
        if self.info_name is not None:
            arguments[self.info_name] = info
        return self.resolve(None, **arguments) if self.needs_source else self.resolve(**arguments)


@dataclass(frozen=True, slots=True)
class _Variant:
    """A plan for one role, and one value of each variable that directives ask."""

    keys: tuple[str, ...]
    constants: dict[str, str]
    roots: list[_Root]
    columns: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, Shape]
    waiting: int
    """How many of the roots have resolvers that wait."""


@dataclass(slots=True)
class Outcome:
    """What an operation was found to be: its data, None where an error has taken all of it, and that error."""

    data: dict[str, Any] | None
    error: GraphQLError | None = None


class Plans:
    """The plans of one schema's documents, each kept with its document."""

    def __init__(self, schema: strawberry.Schema, stored: Mapping[str, StoredType]) -> None:
        self._schema = schema
        self._stored = stored
        self._inputs = Inputs(schema)

    def of(self, asked: Asked) -> Plan | None:
        """The plan of a valid request's query or mutation, if it has one."""
        return self._find(Plan, asked)

    def of_events(self, asked: Asked) -> EventPlan | None:
        """The plan of a valid request's subscription, if it has one."""
        return self._find(EventPlan, asked)

    def _find(self, kind: type[P], asked: Asked) -> P | None:
        operation, document = asked.operation, asked.document
        if operation is None:
            return None
        key = (kind, operation.name.value if operation.name else None)
        try:
            found: P | None = document.notes[key]
        except KeyError:
            try:
                found = kind(self._schema, self._inputs, self._stored, document, operation)
            except Unplannable:
                found = None
            document.notes[key] = found
        return found


class _OperationPlan(ABC, Generic[V]):
    """One operation, and its variants."""

    def __init__(
        self,
        schema: strawberry.Schema,
        inputs: Inputs,
        stored: Mapping[str, StoredType],
        document: Document,
        operation: OperationDefinitionNode,
    ) -> None:
        if operation.directives:
            raise Unplannable
        self._schema = schema
        self._inputs = inputs
        self._stored = stored
        self._operation = operation
        root = schema._schema.get_root_type(operation.operation)
        if root is None:
            raise Unplannable
        self._root: GraphQLObjectType = root
        self._fragments = {
            each.name.value: each for each in document.parsed.definitions if isinstance(each, FragmentDefinitionNode)
        }
        self._variables = inputs.variables(operation)
        self._flags = _flags(document)
        self._variants: dict[tuple[Any, ...], V | None] = {}

    def _variant(self, variables: Mapping[str, Any], role: Role | None) -> V:
        try:
            key = (role, *[variables[name] for name in self._flags])
        except KeyError:
            raise Unusual from None
        if not all(type(flag) is bool for flag in key[1:]):
            raise Unusual
        try:
            found = self._variants[key]
        except KeyError:
            if len(self._variants) >= MAX_VARIANTS:
                raise Unusual from None
            try:
                found = self._compile(dict(zip(self._flags, key[1:], strict=True)), role)
            except Unplannable:
                found = None
            self._variants[key] = found
        if found is None:
            raise Unusual
        return found

    @abstractmethod
    def _compile(self, flags: Mapping[str, bool], role: Role | None) -> V:
        """What there is for ``role`` when directives are given ``flags``.

        Raises:
            Unplannable: it is for the executor.
        """


class Plan(_OperationPlan[_Variant]):
    """One query or mutation."""

    async def run(self, asked: Asked, wait: Wait) -> Outcome:
        """Answer a request.

        Raises:
            Unusual: it is for the executor, and nothing was changed.
        """
        variables = self._variables(asked.request.variables or {})
        variant = self._variant(variables, getattr(asked.context, "role", None))
        is_mutation = self._operation.operation is OperationType.MUTATION
        data: dict[str, Any] = dict.fromkeys(variant.keys)
        data.update(variant.constants)
        given = [(root, root.arguments(variables)) for root in variant.roots]
        info = PlanInfo(asked.context, variant.columns, variant.shapes)
        if variant.waiting > 1:
            resolved = await _all_resolved(given, info, asked, wait)
        else:
            resolved = [await _resolved(root, info, arguments, asked, wait) for root, arguments in given]
        for (root, _), (value, error) in zip(given, resolved, strict=True):
            if error is None:
                try:
                    data[root.key] = root.write(value, asked.context)
                    continue
                except Exception as broken:
                    if not is_mutation:
                        raise Unusual from broken
                    error = broken
            elif not root.is_async or variant.waiting > 1:
                raise Unusual from error  # which of several errors are told is the executor's to say
            located = located_error(error, root.nodes, [root.key])
            return Outcome(None if root.is_required else data, located)
        return Outcome(data)

    def _compile(self, flags: Mapping[str, bool], role: Role | None) -> _Variant:
        selections = Selections(self._fragments, flags)
        outputs = Outputs(self._schema, selections, role, self._stored)
        constants: dict[str, str] = {}
        roots: list[_Root] = []
        fields = selections.of([self._operation.selection_set], self._root)
        for key, nodes in fields.items():
            if nodes[0].name.value == "__typename":
                constants[key] = self._root.name
            else:
                roots.append(self._compile_root(key, nodes, outputs))
        if self._operation.operation is OperationType.MUTATION and len(roots) > 1:
            raise Unplannable
        roots.sort(key=lambda each: each.is_async)
        columns = {name: tuple(sorted(found)) for name, found in outputs.columns.items() if found is not None}
        return _Variant(tuple(fields), constants, roots, columns, outputs.shapes, sum(each.is_async for each in roots))

    def _compile_root(self, key: str, nodes: list[FieldNode], outputs: Outputs) -> _Root:
        field = self._root.fields.get(nodes[0].name.value)
        if field is None:
            raise Unplannable
        definition = field.extensions[DEFINITION]
        resolver = definition.base_resolver
        if resolver is None or definition.extensions or definition.permission_classes:
            raise Unplannable
        if resolver.parent_parameter or resolver.root_parameter:
            raise Unplannable
        return _Root(
            key,
            nodes,
            resolver.wrapped_func,
            bool(resolver.self_parameter),
            resolver.info_parameter.name if resolver.info_parameter else None,
            self._inputs.arguments(nodes[0], field),
            outputs.of(nodes, field.type),
            resolver.is_async,
            isinstance(field.type, GraphQLNonNull),
        )


class EventPlan(_OperationPlan[WriteEvent]):
    """One subscription: what it tells of an event, once its source is there."""

    def writer(self, asked: Asked) -> WriteEvent:
        """Makes the data that a subscriber is told of an event, for the context of its subscription.

        Raises:
            Unusual: it is for the executor; so is an event for which what is returned raises anything.
        """
        return self._variant(self._variables(asked.request.variables or {}), getattr(asked.context, "role", None))

    def _compile(self, flags: Mapping[str, bool], role: Role | None) -> WriteEvent:
        selections = Selections(self._fragments, flags)
        fields = selections.of([self._operation.selection_set], self._root)
        if len(fields) != 1:
            raise Unplannable
        [(key, nodes)] = fields.items()
        field = self._root.fields.get(nodes[0].name.value)
        if field is None:
            raise Unplannable
        write = Outputs(self._schema, selections, role, self._stored).of(nodes, field.type)
        return lambda event, context: {key: write(event, context)}


async def _resolved(
    root: _Root, info: PlanInfo, arguments: dict[str, Any], asked: Asked, wait: Wait
) -> tuple[Any, Exception | None]:
    """What the resolver returned, or raised. That the time is over is no error of the resolver's."""
    try:
        value = root.call(info, arguments)
        return (await wait(value, asked) if root.is_async else value), None
    except TimedOut:
        raise
    except Exception as error:  # noqa: BLE001 (located and worded like the executor's)
        return None, error


async def _all_resolved(
    given: list[tuple[_Root, dict[str, Any]]], info: PlanInfo, asked: Asked, wait: Wait
) -> list[tuple[Any, Exception | None]]:
    """The same for several, side by side."""
    resolved: list[tuple[Any, Exception | None]]
    resolved = await wait(asyncio.gather(*[_caught(root, info, arguments) for root, arguments in given]), asked)
    return resolved


async def _caught(root: _Root, info: PlanInfo, arguments: dict[str, Any]) -> tuple[Any, Exception | None]:
    try:
        value = root.call(info, arguments)
        return (await value if root.is_async else value), None
    except Exception as error:  # noqa: BLE001 (as above)
        return None, error


def _flags(document: Document) -> tuple[str, ...]:
    """The variables that directives ask, anywhere in the document."""
    found = _Flags()
    visit(document.parsed, found)
    return tuple(sorted(found.names))


class _Flags(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)

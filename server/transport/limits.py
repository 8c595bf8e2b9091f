"""How much one request may ask for.

Two looks at a document. Its shape (depth, aliases, repeated fields) is measured before validation, for validation
itself takes seconds for some short texts; every fragment is walked once, however often it is spread. Its cost depends
on the page sizes, so it is kept as a formula and worked out with each request's variables.

What a document asks of ``__schema`` and ``__type`` counts for neither depth nor cost: tools ask deeply, the answer is
small, and graphql-core bounds its repetition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    parse,
)

from engine.errors import SignalboxError
from server.transport.documents import Asked

INTROSPECTION = frozenset({"__schema", "__type"})
PAGE_ARGUMENTS = ("first", "last")
DEFAULT_PAGE = 50
"""What a list gives whose page size is not said."""
MAX_PAGE = 1000
"""A page beyond this is refused by its field, and counts no more."""
USUAL_LIST = 10
"""How many things a list without a page size holds, about."""
MAX_COUNT = 10**9
"""Where counting ends: fragments within fragments reach any number."""


class TooComplex(SignalboxError):
    """The request asks for too much at once.

    Args:
        limit: which limit.
        measured: what was measured; tokens are counted no further than their limit.
        most: what is allowed.
    """

    code = "TOO_COMPLEX"

    def __init__(self, limit: str, measured: int, most: int) -> None:
        super().__init__(f"The request is too complex: {limit} is {measured}, at most {most} is allowed. Ask for less.")
        self.limit = limit
        self.measured = measured
        self.most = most

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "limit": self.limit, "measured": self.measured, "max": self.most}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for at most.

    Args:
        depth: fields within fields.
        aliases: in the whole operation, those of a fragment as often as it is spread.
        root_fields: fields of Query, Mutation or Subscription.
        directives: in the whole operation.
        fields: in the whole operation.
        repeats: how often one selection may name one field, those of its fragments counted too.
        fragments: that the document defines.
        cost: one for each field that is answered; a page's size multiplies what is asked of its items.
        tokens: words and signs of the document.
    """

    depth: int = 12
    aliases: int = 30
    root_fields: int = 20
    directives: int = 50
    fields: int = 500
    repeats: int = 30
    fragments: int = 60
    cost: int = 10_000
    tokens: int = 5_000


@dataclass(slots=True)
class _Shape:
    """What a selection set holds, fragments and all."""

    depth: int = 0
    aliases: int = 0
    root_fields: int = 0
    directives: int = 0
    fields: int = 0

    def add(self, other: _Shape) -> None:
        """The other is beside this one."""
        self.depth = max(self.depth, other.depth)
        self.aliases = min(MAX_COUNT, self.aliases + other.aliases)
        self.directives = min(MAX_COUNT, self.directives + other.directives)
        self.fields = min(MAX_COUNT, self.fields + other.fields)
        self.root_fields = min(MAX_COUNT, self.root_fields + other.root_fields)


def parse_within(text: str, limits: Limits) -> DocumentNode:
    """The document of ``text``.

    Raises:
        TooComplex: it has too many tokens.
        GraphQLError: it is no GraphQL, or nested too deeply to be read.
    """
    try:
        return parse(text, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if f"more than {limits.tokens} tokens" in error.message:
            raise TooComplex("tokens", limits.tokens + 1, limits.tokens) from None
        raise


def check_shape(document: DocumentNode, limits: Limits) -> None:
    """Refuse a document that is too large to validate.

    Raises:
        TooComplex: with what was measured.
    """
    fragments = _fragments(document)
    if len(fragments) > limits.fragments:
        raise TooComplex("fragments", len(fragments), limits.fragments)
    shapes, names = _Shapes(fragments), _Names(fragments)
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            continue
        shape = shapes.of(definition.selection_set)
        if isinstance(definition, FragmentDefinitionNode):
            shape.root_fields = 0
            if _is_of_schema(definition):
                shape.depth = 0
        for each in fields(shape):
            _refuse(each.name, getattr(shape, each.name), getattr(limits, each.name))
        names.of(definition.selection_set)
    _refuse("repeats", names.most, limits.repeats)


def _refuse(name: str, measured: int, most: int) -> None:
    if measured > most:
        raise TooComplex(name.replace("_", " "), measured, most)


class _Shapes:
    """Measures selection sets, each fragment once."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, _Shape] = {}

    def of(self, selected: SelectionSetNode) -> _Shape:
        shape = _Shape()
        for each in selected.selections:
            shape.directives += len(each.directives or ())
            if isinstance(each, FieldNode):
                shape.aliases += each.alias is not None
                shape.fields += 1
                shape.root_fields += 1
                shape.depth = max(shape.depth, 1)
                if each.selection_set is not None:
                    below = self.of(each.selection_set)
                    below.depth = 0 if each.name.value in INTROSPECTION else below.depth + 1
                    below.root_fields = 0
                    shape.add(below)
            elif isinstance(each, InlineFragmentNode):
                shape.add(self.of(each.selection_set))
            elif isinstance(each, FragmentSpreadNode):
                shape.add(self._of_fragment(each.name.value))
        return shape

    def _of_fragment(self, name: str) -> _Shape:
        if name not in self._known:
            self._known[name] = _Shape()  # one that spreads itself is for validation to refuse
            if name in self._fragments:
                self._known[name] = self.of(self._fragments[name].selection_set)
        return self._known[name]


class _Names:
    """Counts how often one selection names one field: validation compares each of them with each other.

    For documents whose number of fields is known to be small.
    """

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.most = 0
        self._fragments = fragments
        self._known: dict[str, Counter[str]] = {}

    def of(self, selected: SelectionSetNode) -> Counter[str]:
        names: Counter[str] = Counter()
        for each in selected.selections:
            if isinstance(each, FieldNode):
                names[(each.alias or each.name).value] += 1
                if each.selection_set is not None:
                    self.of(each.selection_set)
            elif isinstance(each, InlineFragmentNode):
                names.update(self.of(each.selection_set))
            elif isinstance(each, FragmentSpreadNode):
                names[f"...{each.name.value}"] += 1
                names.update(self._of_fragment(each.name.value))
        self.most = max(self.most, *names.values(), 0)
        return names

    def _of_fragment(self, name: str) -> Counter[str]:
        if name not in self._known:
            self._known[name] = Counter()
            if name in self._fragments:
                self._known[name] = self.of(self._fragments[name].selection_set)
        return self._known[name]


Formula = Callable[[Mapping[str, Any]], int]
"""What a selection costs with these variables."""


class CostCheck:
    """Refuses what would cost too much, by the formula that is kept with each document."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits

    def __call__(self, asked: Asked) -> None:
        """Refuse.

        Raises:
            TooComplex: with the cost that was measured.
        """
        cost = self.cost_of(asked)
        if cost > self._limits.cost:
            raise TooComplex("cost", cost, self._limits.cost)

    def cost_of(self, asked: Asked) -> int:
        """What a valid request costs: at least 1."""
        if asked.operation is None:
            return 1
        key = (CostCheck, asked.request.operation_name)
        formula = asked.document.notes.get(key)
        if formula is None:
            root = self._schema.get_root_type(asked.operation.operation)
            formulas = _Formulas(self._schema, _fragments(asked.document.parsed))
            formula = asked.document.notes[key] = formulas.of(asked.operation.selection_set, root)
        return max(1, formula(_variables(asked)))


class _Formulas:
    """Writes the formulas of one document, each fragment's once."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._known: dict[str, Formula] = {}

    def of(self, selected: SelectionSetNode, parent: Any, *, is_paged: bool = False) -> Formula:
        parts = [self._of_selection(each, parent, is_paged) for each in selected.selections]

        def total(variables: Mapping[str, Any]) -> int:
            return min(MAX_COUNT, sum(part(variables) for part in parts))

        return total

    def _of_selection(self, selection: SelectionNode, parent: Any, is_paged: bool) -> Formula:
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            inner = self._schema.get_type(condition.name.value) if condition else parent
            return self.of(selection.selection_set, inner, is_paged=is_paged)
        if isinstance(selection, FragmentSpreadNode):
            return self._of_fragment(selection.name.value, is_paged)
        if isinstance(selection, FieldNode) and isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            field = parent.fields.get(selection.name.value)
            if field is not None:
                return self._of_field(selection, field, is_paged)
        return _one  # __typename, and introspection

    def _of_field(self, node: FieldNode, field: GraphQLField, is_paged: bool) -> Formula:
        if node.selection_set is None:
            return _one
        size = _page_size(node, field)
        below = self.of(node.selection_set, get_named_type(field.type), is_paged=size is not None)
        if size is None and _is_list(field.type) and not is_paged:
            size = _usual_list
        if size is None:
            return lambda variables: 1 + below(variables)
        many = size
        return lambda variables: min(MAX_COUNT, 1 + many(variables) * below(variables))

    def _of_fragment(self, name: str, is_paged: bool) -> Formula:
        key = f"{name} {is_paged}"
        if key not in self._known:
            self._known[key] = _one
            fragment = self._fragments[name]
            parent = self._schema.get_type(fragment.type_condition.name.value)
            self._known[key] = _remembered(self.of(fragment.selection_set, parent, is_paged=is_paged))
        return self._known[key]


def _remembered(formula: Formula) -> Formula:
    """Worked out once for one request, however often the fragment is spread."""
    last: tuple[Mapping[str, Any] | None, int] = (None, 0)

    def cost(variables: Mapping[str, Any]) -> int:
        nonlocal last
        if last[0] is not variables:
            last = (variables, formula(variables))
        return last[1]

    return cost


def _one(_variables: Mapping[str, Any]) -> int:
    return 1


def _usual_list(_variables: Mapping[str, Any]) -> int:
    return USUAL_LIST


def _page_size(node: FieldNode, field: GraphQLField) -> Formula | None:
    """How many things a field gives that has pages; None for one that has none."""
    known = [name for name in PAGE_ARGUMENTS if name in field.args]
    if not known:
        return None
    given = {each.name.value: each.value for each in node.arguments or () if each.name.value in known}
    declared = [field.args[name].default_value for name in known if name not in given]
    default = next((each for each in declared if isinstance(each, int)), DEFAULT_PAGE)

    def size(variables: Mapping[str, Any]) -> int:
        for value in given.values():
            number: Any = None
            if isinstance(value, IntValueNode):
                number = int(value.value[:12])
            elif isinstance(value, VariableNode):
                number = variables.get(value.name.value)
            if isinstance(number, int | float):
                return int(min(MAX_PAGE, max(0, number)))
        return default

    return size


def _variables(asked: Asked) -> Mapping[str, Any]:
    """The variables as they will be, defaults included."""
    given = dict(asked.request.variables or {})
    for each in (asked.operation.variable_definitions if asked.operation else None) or ():
        if isinstance(each.default_value, IntValueNode):
            given.setdefault(each.variable.name.value, int(each.default_value.value[:12]))
    return given


def _is_list(kind: GraphQLOutputType) -> bool:
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    return isinstance(kind, GraphQLList)


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}


def _is_of_schema(fragment: FragmentDefinitionNode) -> bool:
    return fragment.type_condition.name.value.startswith("__")

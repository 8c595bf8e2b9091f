"""What is selected where, once fragments are spread, equal fields merged, and directives obeyed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
)

from server.transport.plans.inputs import Unplannable

Fields = dict[str, list[FieldNode]]


class Selections:
    """The selections of one document, as they are with ``flags``, the values of variables that directives ask."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], flags: Mapping[str, bool]) -> None:
        self._fragments = fragments
        self._flags = flags

    def of(self, sets: Iterable[SelectionSetNode], parent: GraphQLObjectType) -> Fields:
        """The fields that ``sets`` together select of ``parent``, by the names of their answers, in order."""
        found: Fields = {}
        spread: set[str] = set()
        for each in sets:
            self._collect(each, parent, found, spread)
        return found

    def _collect(self, selected: SelectionSetNode, parent: GraphQLObjectType, found: Fields, spread: set[str]) -> None:
        for each in selected.selections:
            if not self._is_included(each.directives or ()):
                continue
            if isinstance(each, FieldNode):
                found.setdefault((each.alias or each.name).value, []).append(each)
            elif isinstance(each, InlineFragmentNode):
                self._fragment(each.type_condition, each.selection_set, parent, found, spread)
            elif isinstance(each, FragmentSpreadNode):
                name = each.name.value
                if name not in spread:
                    spread.add(name)
                    fragment = self._fragments[name]
                    self._fragment(fragment.type_condition, fragment.selection_set, parent, found, spread)

    def _fragment(
        self, condition: Any, selected: SelectionSetNode, parent: GraphQLObjectType, found: Fields, spread: set[str]
    ) -> None:
        # The schema has neither interfaces nor unions; of another type there is nothing here.
        if condition is not None and condition.name.value != parent.name:
            raise Unplannable
        self._collect(selected, parent, found, spread)

    def _is_included(self, directives: Iterable[DirectiveNode]) -> bool:
        for each in directives:
            if each.name.value not in ("skip", "include"):
                raise Unplannable
            [argument] = each.arguments or ()
            value = argument.value
            if isinstance(value, BooleanValueNode):
                is_set = value.value
            elif isinstance(value, VariableNode):
                is_set = self._flags[value.name.value]
            else:
                raise Unplannable
            if is_set is (each.name.value == "skip"):
                return False
        return True

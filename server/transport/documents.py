"""Documents, parsed and validated once however often they are sent.

Clients send the same few texts again and again; what is learnt of one is kept with it. What depends on variables, or
on who asks, is for the checks (``Check``), which run on every request before anything is executed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from server.transport.limits import Limits, TooComplex, exceeded
from server.transport.requests import GraphQLRequest

# Built once: a list made for each request would be a new one to whatever remembers what it has validated.
_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
_CLOSED_RULES = (*_RULES, NoSchemaIntrospectionCustomRule)

MAX_CHARACTERS = 1_000_000
"""So much text of documents is kept; a parsed one takes some thirty times its text. Clients that write values into
their documents make a new one for each request: what is kept of those is of no use, and must not be much."""


@dataclass(slots=True, eq=False)
class Document:
    """A document and what is known of it. ``errors`` is empty once it is valid; ``notes`` is where checks keep what
    they found, by a key of their own."""

    text: str
    ast: DocumentNode | None
    errors: tuple[GraphQLError, ...] | None = None
    notes: dict[Any, Any] = field(default_factory=dict)

    @property
    def parsed(self) -> DocumentNode:
        """The document, where it is one.

        Raises:
            TypeError: the text is no GraphQL.
        """
        if self.ast is None:
            raise TypeError("a text that is no GraphQL has no document")
        return self.ast

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of this name; None where there is none, or where a name is needed to choose."""
        return None if self.ast is None else get_operation_ast(self.ast, name)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, valid by itself: what the checks look at. ``operation`` is None where the name finds none, which
    graphql-core will refuse."""

    document: Document
    operation: OperationDefinitionNode | None
    request: GraphQLRequest
    context: Any


Check = Callable[[Asked], None]
"""Refuses a request by raising, before anything of it is executed."""
Preparation = Callable[[Asked], Awaitable[None] | None]
"""What is done for a query or a mutation before its first field is asked, to its context say; None for nothing."""


class Documents:
    """The documents of late, the least recently used given up first.

    Args:
        limits: what is beyond them is refused before validation.
        introspection: without it neither the schema can be asked for, nor do errors suggest what it has.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        limits: Limits | None = None,
        introspection: bool = True,
        max_characters: int = MAX_CHARACTERS,
    ) -> None:
        self._schema = schema
        self._limits = limits or Limits()
        self._introspection = introspection
        self._max_characters = max_characters
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def parse(self, text: str) -> Document:
        """The document of ``text``; not yet validated if it is new. One that is no GraphQL has errors and no AST."""
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        try:
            tokens = self._limits.tokens
            document = Document(text, parse(text, max_lexical_tokens=tokens, max_comments=tokens))
        except GraphQLError as error:
            # The parser tells only in its sentence that it stopped at a limit; too deep a nesting is a syntax error.
            if error.message.endswith("Parsing aborted.") and "nested too deeply" not in error.message:
                return Document(text, None, (TooComplex("tokens", tokens + 1, tokens),))
            return Document(text, None, (error,))
        self._keep(document)
        return document

    def validate(self, document: Document) -> tuple[GraphQLError, ...]:
        """What is wrong with ``document``."""
        if document.errors is None and document.ast is not None:
            if refusal := exceeded(document.ast, self._limits):
                document.errors = (without_frames(refusal),)
            else:
                rules = _RULES if self._introspection else _CLOSED_RULES
                found = validate(self._schema, document.ast, rules, hide_suggestions=not self._introspection)
                document.errors = tuple(without_frames(error) for error in found)
        return document.errors or ()

    def _keep(self, document: Document) -> None:
        self._kept[document.text] = document
        self._characters += len(document.text)
        while self._characters > self._max_characters:
            text, _ = self._kept.popitem(last=False)
            self._characters -= len(text)


def without_frames(error: GraphQLError) -> GraphQLError:
    """The same error, to be kept with its document, and not with all that was on the stack when a scalar refused a
    literal: the visitors of the validation, and the request that it was done for."""
    found: list[BaseException] = [error]
    for each in found:
        each.__traceback__ = None
        links = (each.__cause__, each.__context__, getattr(each, "original_error", None))
        found += [link for link in links if link is not None and link not in found]
    return error

"""Runs operations on the schema and words what went wrong: the one place where errors become answers.

Strawberry assembles the schema, graphql-core executes it here without Strawberry's own pipeline: that one prints a
traceback for every client's typing error, runs the first of several operations when no name is given, and does not tell
a refused operation from one that ran. Extensions of Strawberry would be skipped, so a schema with any is not accepted.

Failure handling: nothing but ``BadRequest`` escapes for any request. A known error keeps its code; anything else is
masked and logged with the request id. Cancelling a stream closes the subscription's source before it returns.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import orjson
import strawberry
import structlog
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationType,
    VariableDefinitionNode,
    execute,
    subscribe,
)
from strawberry.execution import optimized_is_awaitable

from engine.errors import ConfigurationError, SignalboxError
from server.transport.documents import Asked, Check, Documents
from server.transport.limits import Limits, TimedOut
from server.transport.requests import BadRequest, GraphQLRequest

log = structlog.get_logger("signalbox.graphql")

MASK = "Something went wrong on our side; quote the request id to find it in the log."

# graphql-core tells only in its sentences which input an error is about; the innermost name is the most helpful one.
_INPUT_FIELD = re.compile(r"(?:include required|include unknown) field '(\w+)'")
_INPUT_PATH = re.compile(r"has invalid (?:default )?value at [^:]*\.(\w+)(?:\[\d+\])*:")
_ARGUMENT = re.compile(r"^(?:Unknown a|A)rgument '(?:[\w.]+\()?(\w+)")


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


@runtime_checkable
class Cancellable(Protocol):
    """A context whose operation starts tasks of its own: they end when it is stopped."""

    def cancel(self) -> None: ...


class _Refused(Exception):
    """These errors, and no execution."""

    def __init__(self, errors: Iterable[Exception]) -> None:
        super().__init__()
        self.errors = list(errors)


class Executor:
    """Executes requests on one schema.

    Args:
        new_request_id: asked only when an error is masked.
        checks: each sees every valid request, in order, and may refuse it before anything is executed.
        limits: of documents; what is beyond them is refused before it is validated.
        introspection: whether clients may ask for the schema, and errors suggest what it has.
        timeout_seconds: how long a query or a mutation may take.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        new_request_id: Callable[[], str],
        checks: Sequence[Check] = (),
        limits: Limits | None = None,
        introspection: bool = True,
        timeout_seconds: float = 10.0,
    ) -> None:
        if schema.extensions or schema.directives:
            raise ConfigurationError("The schema has Strawberry extensions or directives; the executor runs neither.")
        self._schema = schema._schema
        self._new_request_id = new_request_id
        self._executor_class = schema.execution_context_class
        self._documents = Documents(self._schema, limits=limits, introspection=introspection)
        self._hide_suggestions = not introspection
        self._timeout_seconds = timeout_seconds
        self._checks = tuple(checks)

    async def execute(self, request: GraphQLRequest, context: Any, *, allow_mutation: bool) -> GraphQLResponse:
        """Run a query or a mutation. Raises ``BadRequest``: 405 for a mutation that is not allowed, 400 for a
        subscription, which needs a transport that can carry more than one response."""
        try:
            document, _ = self._prepare(request, context, allow_mutation=allow_mutation, allow_subscription=False)
            return await self._run(document, request, context)
        except _Refused as refused:
            return self._respond(None, refused.errors, has_data=False)
        except BadRequest:
            raise
        except Exception as error:  # noqa: BLE001 (a defect: masked, logged, and no reason to drop the connection)
            return self.refuse(error)

    async def subscribe(self, request: GraphQLRequest, context: Any) -> AsyncGenerator[GraphQLResponse, None]:
        """Any operation as the stream of its responses: one for a query or a mutation, many for a subscription.

        A response without data is the last. Use it inside ``aclosing``, so that the source ends when the client does.
        """
        try:
            document, kind = self._prepare(request, context, allow_mutation=True, allow_subscription=True)
            if kind is OperationType.SUBSCRIPTION:
                source = await self._source(document, request, context)
                async with aclosing(source):
                    async for result in source:
                        yield self._respond(result.data, result.errors or (), has_data=True)
            else:
                yield await self._run(document, request, context)
        except _Refused as refused:
            yield self._respond(None, refused.errors, has_data=False)
        except Exception as error:  # noqa: BLE001 (whatever the source raised ends this operation and nothing else)
            yield self.refuse(error)

    def is_subscription(self, request: GraphQLRequest) -> bool:
        """Whether the request asks for a stream of responses."""
        operation = self._documents.parse(request.query).operation(request.operation_name)
        return operation is not None and operation.operation is OperationType.SUBSCRIPTION

    def refuse(self, error: Exception) -> GraphQLResponse:
        """The response to a request that an error kept from being executed, wherever it was raised."""
        return self._respond(None, [error], has_data=False)

    def _prepare(
        self, request: GraphQLRequest, context: Any, *, allow_mutation: bool, allow_subscription: bool
    ) -> tuple[DocumentNode, OperationType | None]:
        document = self._documents.parse(request.query)
        if document.ast is None:
            raise _Refused(document.errors or ())
        operation = document.operation(request.operation_name)
        kind = operation.operation if operation is not None else None
        if kind is OperationType.MUTATION and not allow_mutation:
            raise BadRequest(405, "METHOD_NOT_ALLOWED", "Send mutations by POST.", headers={"Allow": "POST"})
        if kind is OperationType.SUBSCRIPTION and not allow_subscription:
            raise BadRequest(
                400,
                "BAD_USER_INPUT",
                "Subscriptions need Accept: text/event-stream, or a websocket with the subprotocol "
                "graphql-transport-ws.",
            )
        if errors := self._documents.validate(document):
            raise _Refused(errors)
        asked = Asked(document, operation, request, context)
        for check in self._checks:
            check(asked)
        return document.ast, kind

    async def _run(self, document: DocumentNode, request: GraphQLRequest, context: Any) -> GraphQLResponse:
        outcome = execute(
            self._schema,
            document,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            executor_class=self._executor_class,
            hide_suggestions=self._hide_suggestions,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # typed as bool, not as TypeGuard
            operation_extensions=request.extensions,
        )
        result = await self._in_time(outcome, context) if inspect.isawaitable(outcome) else outcome
        # Errors of fields have a path; errors of variables and of the operation's name have none.
        has_data = result.data is not None or any(error.path for error in result.errors or ())
        return self._respond(result.data, result.errors or (), has_data=has_data)

    async def _in_time(self, outcome: Awaitable[ExecutionResult], context: Any) -> ExecutionResult:
        """Cancelling stops the waiting alone: what was given to the store to write is written whole or not at all."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await outcome
        except (TimeoutError, asyncio.CancelledError) as error:
            if isinstance(context, Cancellable):
                context.cancel()
            if isinstance(error, TimeoutError):
                raise TimedOut from None
            raise

    async def _source(
        self, document: DocumentNode, request: GraphQLRequest, context: Any
    ) -> AsyncGenerator[ExecutionResult, None]:
        outcome = subscribe(
            self._schema,
            document,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            executor_class=self._executor_class,
            hide_suggestions=self._hide_suggestions,
            operation_extensions=request.extensions,
        )
        source: AsyncIterator[ExecutionResult] | ExecutionResult
        source = await outcome if inspect.isawaitable(outcome) else outcome
        if isinstance(source, ExecutionResult):
            raise _Refused(source.errors or ())
        return cast("AsyncGenerator[ExecutionResult, None]", source)

    def _respond(self, data: Any, errors: Iterable[Exception], *, has_data: bool) -> GraphQLResponse:
        worded = self._word(errors)
        payload: dict[str, Any] = {"data": data} if has_data else {}
        if worded:
            payload["errors"] = worded
        try:
            return GraphQLResponse(encode(payload), has_data, tuple(worded))
        except TypeError as error:
            worded = self._word([error])
            payload = {"data": None, "errors": worded} if has_data else {"errors": worded}
            return GraphQLResponse(encode(payload), has_data, tuple(worded))

    def _word(self, errors: Iterable[Exception]) -> list[dict[str, Any]]:
        """Errors as clients see them. Client errors leave one line in the log, each kind of defect its traceback."""
        worded: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        logged: set[tuple[type[BaseException], str]] = set()
        request_id: str | None = None
        for error in errors:
            cause = _cause(error)
            known = _known(error, cause)
            if known is None:
                request_id = request_id or self._new_request_id()
                if (kind := (type(cause), str(cause))) not in logged:
                    logged.add(kind)
                    path = error.path if isinstance(error, GraphQLError) else None
                    log.exception("graphql.internal_error", request_id=request_id, path=path, exc_info=cause)
                known = MASK, {"code": "INTERNAL", "requestId": request_id}
            entry: dict[str, Any] = {"message": known[0]}
            if isinstance(error, GraphQLError):
                entry |= {key: value for key, value in error.formatted.items() if key in ("locations", "path")}
            entry["extensions"] = known[1]
            worded.append(entry)
            if known[0] is not MASK:
                refused.append(entry)
        if refused:
            # Without the message: it quotes what the client sent, secrets included.
            log.info("graphql.client_error", code=refused[0]["extensions"]["code"], errors=len(refused))
        return worded


def _cause(error: BaseException) -> BaseException:
    """What was raised first, beneath the layers that graphql-core adds for location and variable."""
    while isinstance(error, GraphQLError) and error.original_error is not None:
        error = error.original_error
    return error


def _known(error: Exception, cause: BaseException) -> tuple[str, dict[str, Any]] | None:
    """Message and extensions of an error that the client can act on; None for a defect of ours."""
    field = _field(error) if isinstance(error, GraphQLError) else None
    if isinstance(cause, SignalboxError | BadRequest):
        extensions = dict(cause.extensions)
        if field and extensions["code"] == "BAD_USER_INPUT":
            extensions.setdefault("field", field)
        return str(cause), extensions
    if not isinstance(error, GraphQLError):
        return None
    if isinstance(cause, GraphQLError) and cause.extensions and "code" in cause.extensions:
        return cause.message, dict(cause.extensions)
    # With a path it was raised while a field was resolved: then only what graphql-core says of an argument is not ours.
    if error.path and not (isinstance(cause, GraphQLError) and error.message.startswith("Argument '")):
        return None
    # A scalar refuses a value with ValueError or TypeError; anything else that it raises is a defect.
    if not isinstance(cause, GraphQLError | ValueError | TypeError):
        return None
    return error.message, {"code": "BAD_USER_INPUT", "field": field} if field else {"code": "BAD_USER_INPUT"}


def _field(error: GraphQLError) -> str | None:
    for pattern in (_INPUT_FIELD, _INPUT_PATH, _ARGUMENT):
        if found := pattern.search(error.message):
            return found[1]
    node = error.nodes[0] if error.nodes else None
    return node.variable.name.value if isinstance(node, VariableDefinitionNode) else None

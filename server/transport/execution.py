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
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import strawberry
import structlog
from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationType,
    VariableDefinitionNode,
    create_source_event_stream,
    execute,
    execute_subscription_event,
)
from strawberry.execution import optimized_is_awaitable

from engine.errors import ConfigurationError, SignalboxError
from engine.tracing import is_on, span
from schema.stored import StoredType
from server.transport.documents import Asked, Check, Documents, Preparation
from server.transport.limits import Limits, TimedOut
from server.transport.plans.inputs import Unusual
from server.transport.plans.plan import Outcome, Plan, Plans, WriteEvent
from server.transport.requests import EVENT_STREAM, BadRequest, GraphQLRequest
from server.transport.responses import GraphQLResponse, encode
from server.transport.sharing import Broadcasts, Sharing, Update, Write

log = structlog.get_logger("signalbox.graphql")
Found = TypeVar("Found")

MASK = "Something went wrong on our side; quote the request id to find it in the log."

# graphql-core tells only in its sentences which input an error is about; the innermost name is the most helpful one.
_INPUT_FIELD = re.compile(r"(?:include required|include unknown) field '(\w+)'")
_INPUT_PATH = re.compile(r"has invalid (?:default )?value at [^:]*\.(\w+)(?:\[\d+\])*:")
_ARGUMENT = re.compile(r"^(?:Unknown a|A)rgument '(?:[\w.]+\()?(\w+)")


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
        preparation: what is done for an operation that no check has refused, before its fields are executed.
        limits: of documents; what is beyond them is refused before it is validated.
        introspection: whether clients may ask for the schema, and errors suggest what it has.
        timeout_seconds: how long a query may take. Not a mutation: what it asks of many jobs it asks in steps, each
            with a time limit in the engine, and one that was ended between two of them would be half done.
        sharing: which subscriptions are executed once for all their subscribers; none by default.
        event_context: the context in which one event of a subscription is executed, from that of the subscription.
        stored: the types that plans may answer as they are stored, by name; None for no plans at all.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        new_request_id: Callable[[], str],
        checks: Sequence[Check] = (),
        preparation: Preparation = lambda _asked: None,
        limits: Limits | None = None,
        introspection: bool = True,
        timeout_seconds: float = 10.0,
        sharing: Sharing | None = None,
        event_context: Callable[[Any], Any] = lambda context: context,
        stored: Mapping[str, StoredType] | None = MappingProxyType({}),
    ) -> None:
        if schema.extensions or schema.directives:
            raise ConfigurationError("The schema has Strawberry extensions or directives; the executor runs neither.")
        self._schema = schema._schema
        self._new_request_id = new_request_id
        self._executor_class = schema.execution_context_class
        self._documents = Documents(self._schema, limits=limits, introspection=introspection)
        self._hide_suggestions = not introspection
        self._timeout_seconds = timeout_seconds
        self._plans = None if stored is None else Plans(schema, stored)
        self._checks = tuple(checks)
        self._preparation = preparation
        self._sharing = sharing or Sharing(lambda _context: None, lambda _event: None)
        self._event_context = event_context
        self.broadcasts = Broadcasts(self._updates, self._sharing)

    async def execute(self, request: GraphQLRequest, context: Any, *, allow_mutation: bool) -> GraphQLResponse:
        """Run a query or a mutation. Raises ``BadRequest``: 405 for a mutation that is not allowed, 400 for a
        subscription, which needs a transport that can carry more than one response."""
        try:
            with self._span(request):
                asked = self._prepare(request, context, allow_mutation=allow_mutation, allow_subscription=False)
                return await self._run(asked)
        except _Refused as refused:
            return self._respond(None, refused.errors, has_data=False)
        except BadRequest:
            raise
        except Exception as error:  # noqa: BLE001 (a defect: masked, logged, and no reason to drop the connection)
            return self.refuse(error)

    def is_subscription(self, request: GraphQLRequest) -> bool:
        """Whether the request asks for a stream of responses."""
        operation = self._documents.parse(request.query).operation(request.operation_name)
        return operation is not None and operation.operation is OperationType.SUBSCRIPTION

    async def subscribe(
        self, request: GraphQLRequest, context: Any, write: Write | None = None
    ) -> AsyncGenerator[GraphQLResponse, None]:
        """Any operation as the stream of its responses: one for a query or a mutation, many for a subscription.

        A response without data is the last. Use it inside ``aclosing``, so that the source ends when the client does.
        Responses of a subscription that ``write`` takes are not yielded.
        """
        try:
            with self._span(request):  # nothing is yielded within: a span belongs to the task that has begun it
                asked = self._prepare(request, context, allow_mutation=True, allow_subscription=True)
                is_stream = asked.operation is not None and asked.operation.operation is OperationType.SUBSCRIPTION
                only = None if is_stream else await self._run(asked)
            if only is not None:
                yield only
                return
            async with aclosing(self.broadcasts.stream(asked, write)) as responses:
                async for response in responses:
                    yield response
        except _Refused as refused:
            yield self._respond(None, refused.errors, has_data=False)
        except Exception as error:  # noqa: BLE001 (whatever the source raised ends this operation and nothing else)
            yield self.refuse(error)

    def refuse(self, error: Exception) -> GraphQLResponse:
        """The response to a request that an error kept from being executed, wherever it was raised."""
        return self._respond(None, [error], has_data=False)

    def _span(self, request: GraphQLRequest) -> AbstractContextManager[Any]:
        """The span of an operation; of a subscription only its start, for it may last for days and serve many."""
        if not is_on():
            return span("graphql.operation")
        operation = self._documents.parse(request.query).operation(request.operation_name)
        if operation is None:
            return span("graphql.operation", {"graphql.operation.name": request.operation_name or ""})
        name = operation.name.value if operation.name else ""
        about = {"graphql.operation.name": name, "graphql.operation.type": operation.operation.value}
        return span("graphql.operation", about)

    def _prepare(
        self, request: GraphQLRequest, context: Any, *, allow_mutation: bool, allow_subscription: bool
    ) -> Asked:
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
                f"Subscriptions need Accept: {EVENT_STREAM}, or a websocket with the subprotocol graphql-transport-ws.",
            )
        if errors := self._documents.validate(document):
            raise _Refused(errors)
        asked = Asked(document, operation, request, context)
        for check in self._checks:
            check(asked)
        return asked

    async def _run(self, asked: Asked) -> GraphQLResponse:
        preparing = self._preparation(asked)
        plan = None if self._plans is None else self._plans.of(asked)
        if plan is not None:
            try:
                if preparing is None:
                    found = await plan.run(asked, self._in_time)
                else:
                    first, preparing = preparing, None
                    found = await self._in_time(_planned(first, plan, asked), asked)
                return self._respond(found.data, () if found.error is None else (found.error,), has_data=True)
            except Unusual:
                pass
        outcome = self._execute(asked) if preparing is None else self._prepared(preparing, asked)
        result = await self._in_time(outcome, asked) if inspect.isawaitable(outcome) else outcome
        # Errors of fields have a path; errors of variables and of the operation's name have none.
        has_data = result.data is not None or any(error.path for error in result.errors or ())
        return self._respond(result.data, result.errors or (), has_data=has_data)

    async def _prepared(self, preparing: Awaitable[None], asked: Asked) -> ExecutionResult:
        await preparing
        outcome = self._execute(asked)
        return await outcome if inspect.isawaitable(outcome) else outcome

    def _execute(self, asked: Asked) -> Awaitable[ExecutionResult] | ExecutionResult:
        return execute(
            self._schema,
            asked.document.parsed,
            context_value=asked.context,
            variable_values=asked.request.variables,
            operation_name=asked.request.operation_name,
            executor_class=self._executor_class,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # typed as bool, not as TypeGuard
            hide_suggestions=self._hide_suggestions,
            operation_extensions=asked.request.extensions,
        )

    async def _in_time(self, outcome: Awaitable[Found], asked: Asked) -> Found:
        """Cancelling stops the waiting alone: what was given to the store to write is written whole or not at all."""
        limit = None
        try:
            if asked.operation is None or asked.operation.operation is not OperationType.QUERY:
                return await outcome
            async with asyncio.timeout(self._timeout_seconds) as limit:
                return await outcome
        except (TimeoutError, asyncio.CancelledError) as error:
            if isinstance(asked.context, Cancellable):
                asked.context.cancel()
            if isinstance(error, TimeoutError) and limit is not None and limit.expired():
                raise TimedOut from None
            raise

    async def _updates(self, asked: Asked) -> AsyncGenerator[Update, None]:
        """Execute a subscription: its source, and each of its events in a context of its own."""
        operation = self._executor_class.build(
            self._schema,
            asked.document.parsed,
            None,
            asked.context,
            asked.request.variables,
            asked.request.operation_name,
            hide_suggestions=self._hide_suggestions,
            operation_extensions=asked.request.extensions,
        )
        if isinstance(operation, list):
            raise _Refused(operation)
        outcome = create_source_event_stream(operation)
        source = await outcome if inspect.isawaitable(outcome) else outcome
        if isinstance(source, ExecutionResult):
            raise _Refused(source.errors or ())
        write = self._event_writer(asked)
        async with aclosing(cast("AsyncGenerator[Any, None]", source)) as events:
            async for event in events:
                response = None if write is None else _planned_event(write, event, asked.context)
                if response is None:
                    one = operation.build_per_event_executor(event)
                    one.context_value = self._event_context(asked.context)
                    result = execute_subscription_event(one)
                    result = await result if inspect.isawaitable(result) else result
                    response = self._respond(result.data, result.errors or (), has_data=True)
                yield Update(response, self._sharing.position_of(event))

    def _event_writer(self, asked: Asked) -> WriteEvent | None:
        """What makes an event's data without the executor; None where there is no plan."""
        plan = None if self._plans is None else self._plans.of_events(asked)
        try:
            return None if plan is None else plan.writer(asked)
        except Unusual:
            return None

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


def _planned_event(write: WriteEvent, event: Any, context: Any) -> GraphQLResponse | None:
    """An event's response by its plan; None for one that is the executor's, which says what is wrong with it."""
    try:
        return GraphQLResponse(encode({"data": write(event, context)}), True, ())
    except Exception:  # noqa: BLE001 (it is raised again, and worded, by the executor)
        return None


async def _planned(preparing: Awaitable[None], plan: Plan, asked: Asked) -> Outcome:
    """A plan's outcome after what it needs; whoever calls it watches the time of both."""
    await preparing

    async def wait(outcome: Awaitable[Any], _asked: Asked) -> Any:
        return await outcome

    return await plan.run(asked, wait)


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

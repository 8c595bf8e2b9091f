"""GraphQL over websockets, subprotocol ``graphql-transport-ws`` alone, with each close code of its PROTOCOL.md.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

Failure handling: whatever ends a socket (its client, a rule it broke, a shutdown, a lost connection), every operation
on it is cancelled and awaited before the ASGI call returns. An operation that fails ends itself and never its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping
from typing import Any

import structlog
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from server.transport.direct import write_text_of
from server.transport.execution import Executor
from server.transport.requests import MEBIBYTE, BadRequest, GraphQLRequest, is_same_host, parse_json
from server.transport.responses import GraphQLResponse, encode
from server.transport.sharing import Write

log = structlog.get_logger("signalbox.graphql")

PROTOCOL = "graphql-transport-ws"
CLOSE_TIMEOUT_SECONDS = 5.0


class GraphQLWebSocket:
    """The ASGI application behind the websocket ``/graphql``.

    ``context_for`` gets the socket and the payload of ``connection_init``. It is asked once to admit the client, and
    again for each operation, so that no operation sees what another one has cached. It refuses by raising: the socket
    closes with 4403, or the operation gets an ``error``. A page of another origin is refused before the handshake
    unless ``allowed_origins`` (``https://host:port``) names it: the browser would send the user's cookies along.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        context_for: Callable[[WebSocket, Mapping[str, Any]], Any],
        allowed_origins: Collection[str] = (),
        init_timeout_seconds: float = 3.0,
        ping_interval_seconds: float = 12.0,
        max_operations: int = 100,
        max_message_bytes: int = MEBIBYTE,
    ) -> None:
        self.executor = executor
        self.context_for = context_for
        self.init_timeout_seconds = init_timeout_seconds
        self.ping_interval_seconds = ping_interval_seconds
        self.max_operations = max_operations
        self.max_message_bytes = max_message_bytes
        self._allowed_origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)
        self._connections: set[_Connection] = set()
        self.is_shut_down = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if not self._is_welcome(websocket):
            log.info("websocket.refused", origin=websocket.headers.get("origin"), host=websocket.headers.get("host"))
            await websocket.close()
            return
        connection = _Connection(self, websocket)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    @property
    def connection_count(self) -> int:
        """How many sockets are open."""
        return len(self._connections)

    @property
    def operation_count(self) -> int:
        """How many operations run on them."""
        return sum(connection.operation_count for connection in self._connections)

    async def shutdown(self) -> None:
        """Close every socket with 1012, so that clients reconnect, and wait until their operations have ended."""
        self.is_shut_down = True
        connections = tuple(self._connections)
        await asyncio.gather(*(connection.close(1012, "Service restart") for connection in connections))
        await asyncio.gather(*(connection.ended.wait() for connection in connections))

    async def readmit(self) -> None:
        """Ask ``context_for`` again about every client that was admitted; who is refused now loses the socket."""
        await asyncio.gather(*(connection.readmit() for connection in tuple(self._connections)))

    def _is_welcome(self, websocket: WebSocket) -> bool:
        origin = websocket.headers.get("origin")
        if origin is None or origin.lower().rstrip("/") in self._allowed_origins:
            return True
        return is_same_host(origin, websocket.headers.get("host", ""))


class _Violation(Exception):
    """The client broke a rule that costs it the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        # A close frame has room for 123 bytes, and some reasons quote what the client sent.
        self.reason = reason.encode()[:123].decode(errors="ignore")


class _Connection:
    """One client's socket, from the handshake to the end of its last operation."""

    def __init__(self, endpoint: GraphQLWebSocket, websocket: WebSocket) -> None:
        self.ended = asyncio.Event()
        self._endpoint = endpoint
        self._websocket = websocket
        self._sending = asyncio.Lock()
        self._is_closed = False
        # The reader's: bounded until the client was admitted, and again when it cannot be told that the socket closes.
        self._patience = asyncio.timeout(endpoint.init_timeout_seconds)
        # None until the client was admitted.
        self._init_payload: Mapping[str, Any] | None = None
        # Operations that still answer, by id; and all tasks, those that are only closing their source included.
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def operation_count(self) -> int:
        return len(self._operations)

    async def serve(self) -> None:
        """Read until the socket ends."""
        try:
            if PROTOCOL in self._websocket.scope["subprotocols"]:
                await self._websocket.accept(PROTOCOL)
                if self._endpoint.is_shut_down:
                    raise _Violation(1012, "Service restart")
                await self._read()
            else:
                await self._websocket.accept()
                raise _Violation(4406, "Subprotocol not acceptable")
        except _Violation as violation:
            log.info("websocket.closed", code=violation.code, reason=violation.reason)
            await self.close(violation.code, violation.reason)
        except (WebSocketDisconnected, OSError):
            pass  # the client left during the handshake
        finally:
            await self._end_tasks()
            self.ended.set()

    async def close(self, code: int, reason: str) -> None:
        """Close, once. A client that does not read cannot hold this up for long."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self._websocket.close(code, reason)
        except TimeoutError:
            with contextlib.suppress(RuntimeError):  # the reader has ended, or has yet to begin
                self._patience.reschedule(0)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client was faster

    async def readmit(self) -> None:
        """Close with 4403, and end all operations at once, if the client would not be admitted now."""
        if self._init_payload is None or self._is_closed:
            return
        try:
            self._admit(self._init_payload)
        except _Violation as violation:
            log.info("websocket.closed", code=violation.code, reason=violation.reason)
            await self.close(violation.code, violation.reason)
            await self._end_tasks()

    async def _end_tasks(self) -> None:
        self._is_closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self) -> None:
        try:
            async with self._patience:
                while (frame := await self._websocket.receive())["type"] != "websocket.disconnect":
                    await self._answer(self._decode(frame))
        except TimeoutError:
            if not self._is_closed:
                raise _Violation(4408, "Connection initialisation timeout") from None

    def _decode(self, frame: Message) -> dict[str, Any]:
        text = frame.get("text")
        if text is None:
            raise _Violation(4400, "Messages are text frames in UTF-8")
        if len(text) > self._endpoint.max_message_bytes or len(text.encode()) > self._endpoint.max_message_bytes:
            raise _Violation(1009, f"A message has at most {self._endpoint.max_message_bytes} bytes")
        try:
            message = parse_json(text)
        except BadRequest as error:
            raise _Violation(4400, error.message) from None
        if not isinstance(message, dict):
            raise _Violation(4400, "A message is a JSON object")
        return message

    async def _answer(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._initialise(_payload(message))
            case "ping":
                _payload(message)
                await self._send('{"type":"pong"}')
            case "pong":
                _payload(message)
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                await self._complete(_id(message))
            case unknown:
                raise _Violation(4400, f"Unknown message type {unknown!r}")

    async def _initialise(self, payload: Mapping[str, Any]) -> None:
        if self._init_payload is not None:
            raise _Violation(4429, "Too many initialisation requests")
        self._admit(payload)
        self._init_payload = payload
        self._patience.reschedule(None)
        await self._send('{"type":"connection_ack"}')
        self._start(self._ping())

    def _admit(self, payload: Mapping[str, Any]) -> None:
        try:
            self._endpoint.context_for(self._websocket, payload)
        except Exception as error:  # noqa: BLE001 (a refusal, or a defect that is masked and logged)
            refusal = self._endpoint.executor.refuse(error).errors[0]
            extensions = refusal["extensions"]
            if extensions["code"] == "INTERNAL":
                raise _Violation(1013, f"{refusal['message']} ({extensions['requestId']})") from None
            raise _Violation(4403, refusal["message"]) from None

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if self._init_payload is None:
            raise _Violation(4401, "Unauthorized")
        operation_id = _id(message)
        if operation_id in self._operations:
            raise _Violation(4409, f"Subscriber for {operation_id} already exists")
        try:
            request = GraphQLRequest.from_json(message.get("payload"))
        except BadRequest as error:
            raise _Violation(4400, error.message) from None
        if len(self._operations) >= self._endpoint.max_operations:
            limit = f"A socket runs at most {self._endpoint.max_operations} operations; complete one first."
            refusal = self._endpoint.executor.refuse(BadRequest(429, "BAD_USER_INPUT", limit))
            await self._send(_frame(operation_id, refusal))
            return
        self._operations[operation_id] = self._start(self._run(operation_id, request, self._init_payload))

    async def _complete(self, operation_id: str) -> None:
        """The client has stopped listening: end the operation, its source's clean-up included."""
        if (task := self._operations.pop(operation_id, None)) is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def _run(self, operation_id: str, request: GraphQLRequest, payload: Mapping[str, Any]) -> None:
        last = f'{{"id":{encode(operation_id).decode()},"type":"complete"}}'
        write = self._writer(operation_id)
        async with contextlib.aclosing(self._responses(request, payload, write)) as responses:
            async for response in responses:
                if not response.has_data:
                    last = _frame(operation_id, response)
                    break
                await self._send(_frame(operation_id, response))
        # The id is free before the client can know that it is.
        self._operations.pop(operation_id, None)
        await self._send(last)

    def _writer(self, operation_id: str) -> Write | None:
        """What writes an operation's responses at once, where the server can do that."""
        write_text = write_text_of(self._websocket.scope)
        if write_text is None:
            return None
        head = b'{"id":' + encode(operation_id) + b',"type":"next","payload":'

        def write(response: GraphQLResponse) -> bool:
            return not self._is_closed and response.has_data and write_text(head, response.body, b"}")

        return write

    async def _responses(
        self, request: GraphQLRequest, payload: Mapping[str, Any], write: Write | None
    ) -> AsyncGenerator[GraphQLResponse, None]:
        executor = self._endpoint.executor
        try:
            context = self._endpoint.context_for(self._websocket, payload)
        except Exception as error:  # noqa: BLE001 (the key may have been revoked since the socket was opened)
            yield executor.refuse(error)
            return
        async with contextlib.aclosing(executor.subscribe(request, context, write)) as responses:
            async for response in responses:
                yield response

    async def _ping(self) -> None:
        """Ping at an interval. A client for which one ping finds no room until the next is due does not read at all."""
        interval = self._endpoint.ping_interval_seconds
        try:
            while True:
                await asyncio.sleep(interval)
                async with asyncio.timeout(interval):
                    await self._send('{"type":"ping"}')
        except TimeoutError:
            log.info("websocket.stalled")
            await self.close(1013, "The client does not read")

    async def _send(self, text: str) -> None:
        async with self._sending:
            if self._is_closed:
                return
            try:
                await self._websocket.send_text(text)
            except (WebSocketDisconnect, RuntimeError):
                # The server or the client has closed it, and the reader is about to be told.
                self._is_closed = True

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _frame(operation_id: str, response: GraphQLResponse) -> str:
    """The id is all that differs from socket to socket: the response was encoded before."""
    kind, payload = ("next", response.body) if response.has_data else ("error", encode(response.errors))
    return f'{{"id":{encode(operation_id).decode()},"type":"{kind}","payload":{payload.decode()}}}'


def _id(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise _Violation(4400, "`id` must be a string that is not empty")
    return operation_id


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    payload = message.get("payload")
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise _Violation(4400, "`payload` must be an object or null")
    return payload

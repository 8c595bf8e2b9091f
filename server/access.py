"""Who asks, and whether they may: the same for HTTP, server-sent events and websockets.

``Admission`` finds the caller's key, ``RoleCheck`` compares its role with what the document's fields need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from engine.errors import SignalboxError
from models.enums import Role
from resolvers.roles import needed_role
from server.keys import ANYONE, ApiKey, Keys
from server.transport.documents import Asked, Document
from server.transport.requests import BadRequest

ADMITTED = "signalbox.key"
"""Where the scope of a request or socket has the key that it was admitted with."""
HOW = "send the header `Authorization: Bearer KEY` (on a websocket also in the payload of connection_init)"


class Unauthenticated(BadRequest):
    """No key, or none that is valid. It is refused before GraphQL begins, hence 401 for every media type."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "UNAUTHENTICATED", message, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(SignalboxError):
    """The key's role may not do this."""

    code: ClassVar[str] = "FORBIDDEN"

    def __init__(self, field_name: str, needed: Role, role: Role) -> None:
        super().__init__(f"{field_name} needs the role {needed.word}; this key has the role {role.word}.")
        self.needed = needed

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "neededRole": self.needed.word}


class Admission:
    """Finds the key of each request and socket, or refuses by raising ``Unauthenticated``."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def request(self, request: HTTPConnection) -> ApiKey:
        """The caller of an HTTP request."""
        return self._admit(request, None if self._keys.is_open else request.headers.get("authorization"))

    def socket(self, websocket: WebSocket, payload: Mapping[str, Any]) -> ApiKey:
        """The caller on a socket; the payload of ``connection_init`` goes before the header of the upgrade request."""
        given = next((value for name, value in payload.items() if name.lower() == "authorization"), None)
        return self._admit(websocket, websocket.headers.get("authorization") if given is None else given)

    def _admit(self, connection: HTTPConnection, authorization: object) -> ApiKey:
        """A caller stays who it was when it was first admitted, as long as its key is valid and has the same role."""
        admitted: ApiKey | None = connection.scope.get(ADMITTED)
        if admitted is None:
            admitted = connection.scope[ADMITTED] = self._find(authorization)
        elif admitted not in self._keys:
            raise Unauthenticated("This API key was revoked, or its role has changed; connect again.")
        return admitted

    def _find(self, authorization: object) -> ApiKey:
        if self._keys.is_open:
            return ANYONE
        if authorization is None:
            raise Unauthenticated(f"An API key is needed: {HOW}.")
        scheme, _, presented = authorization.strip().partition(" ") if isinstance(authorization, str) else ("", "", "")
        if scheme.lower() != "bearer" or not presented.strip():
            raise Unauthenticated(f"This is no API key: {HOW}.")
        found = self._keys.find(presented.strip())
        if found is None:
            raise Unauthenticated("This API key is not known here; it may have been revoked.")
        return found


class RoleCheck:
    """A check (``server.transport.documents``): refuses an operation of which any field needs a higher role.

    Whether a field is skipped by a directive makes no difference. What a document needs is found once and kept with it.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def __call__(self, asked: Asked) -> None:
        if asked.operation is None:
            return
        key = (RoleCheck, asked.operation.name.value if asked.operation.name else None)
        needed: tuple[Role, str] | None = asked.document.notes.get(key)
        if needed is None:
            needed = asked.document.notes[key] = self._needed(asked.document, asked.operation)
        if asked.context.role < needed[0]:
            raise Forbidden(needed[1], needed[0], asked.context.role)

    def _needed(self, document: Document, operation: OperationDefinitionNode) -> tuple[Role, str]:
        """The highest role, and the first field that needs it. Each fragment is looked at once, however often used."""
        fragments = {
            each.name.value: each
            for each in (document.ast.definitions if document.ast is not None else ())
            if isinstance(each, FragmentDefinitionNode)
        }
        found = _Found(TypeInfo(self._schema))
        found.look_at(operation)
        seen: set[str] = set()
        while found.spreads:
            name = found.spreads.pop()
            if name not in seen:
                seen.add(name)
                found.look_at(fragments[name])
        return found.highest, found.field_name


class _Found(Visitor):
    """What was found in an operation and its fragments."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.highest, self.field_name = Role.VIEWER, ""
        self.spreads: list[str] = []

    def look_at(self, part: OperationDefinitionNode | FragmentDefinitionNode) -> None:
        visit(part, TypeInfoVisitor(self._types, self))

    def enter_field(self, node: FieldNode, *_: object) -> None:
        owner = self._types.get_parent_type()
        role = Role.ADMIN if owner is None else needed_role(owner.name, node.name.value)
        if role > self.highest:
            self.highest, self.field_name = role, node.name.value

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.spreads.append(node.name.value)

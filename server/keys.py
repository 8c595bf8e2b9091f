"""API keys: who may come in, and as what.

A key is read once and only its SHA-256 stays: keys are long and random, so nothing slower is needed. What is presented
is compared with every key in constant time. No message ever has a part of an entry in it: whoever mixes up the three
parts would find the key in the log.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from models.enums import Role

SHORTEST, LONGEST = 16, 256
ROLES = {role.word: role for role in Role}
FORM = "name:role:key"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"[!-+\--~]+")  # visible ASCII without the comma: what a header can carry and a list can hold


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key that opens the API."""

    name: str
    role: Role
    digest: bytes = field(repr=False)


ANYONE = ApiKey("anyone", Role.ADMIN, b"")
"""The caller where no keys are set."""


class Keys:
    """The keys that are valid now. ``None`` means that none are set, and everyone is an admin."""

    def __init__(self, keys: Sequence[ApiKey] | None) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys or ())

    def __contains__(self, key: ApiKey) -> bool:
        return key is ANYONE if self._keys is None else key in self._keys

    @property
    def is_open(self) -> bool:
        """Whether everyone may come in."""
        return self._keys is None

    def replace(self, keys: Sequence[ApiKey]) -> None:
        """From now on these are valid and no others."""
        self._keys = keys

    def find(self, presented: str) -> ApiKey | None:
        """The key that was presented, if it is valid."""
        digest = _digest(presented)
        found = None
        for key in self._keys or ():  # all of them: the time taken tells nothing
            if hmac.compare_digest(digest, key.digest):
                found = key
        return found


def parse_list(text: str) -> tuple[ApiKey, ...]:
    """The keys in ``name:role:key,name:role:key``.

    Raises:
        ValueError: an entry cannot be used; the message says which and why.
    """
    entries = [(f"entry {number}", entry.strip()) for number, entry in enumerate(text.split(","), 1)]
    return _parse(entries)


def parse_lines(text: str) -> tuple[ApiKey, ...]:
    """The keys in a file: one a line; empty lines and those that start with # are skipped.

    Raises:
        ValueError: a line cannot be used; the message says which and why.
    """
    lines = [(f"line {number}", line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return _parse([(place, line) for place, line in lines if not line.startswith("#")])


def check_distinct(keys: Iterable[ApiKey]) -> None:
    """Raises ``ValueError`` for two keys of one name, or one key under two names."""
    names: set[str] = set()
    digests: dict[bytes, str] = {}
    for key in keys:
        if key.name in names:
            raise ValueError(f"there are two keys with the name {key.name}; give each a name of its own")
        names.add(key.name)
        if key.digest in digests:
            raise ValueError(f"{digests[key.digest]} and {key.name} have the same key; make one for each")
        digests[key.digest] = key.name


def _parse(entries: Iterable[tuple[str, str]]) -> tuple[ApiKey, ...]:
    keys = tuple(_parse_entry(place, entry) for place, entry in entries if entry)
    check_distinct(keys)
    return keys


def _parse_entry(place: str, entry: str) -> ApiKey:
    parts = entry.split(":", 2)
    if len(parts) != 3:
        raise ValueError(f"{place} is not {FORM}")
    name, role, key = (part.strip() for part in parts)
    if role not in ROLES:
        raise ValueError(f"{place}: its role is none of {', '.join(ROLES)}; write {FORM}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{place}: a name has 1 to 64 letters, digits, dots, hyphens and underscores; write {FORM}")
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(
            f"{place}: its key has {len(key)} characters, and {SHORTEST} to {LONGEST} are needed; "
            "`openssl rand -hex 24` makes a good one"
        )
    if not _KEY.fullmatch(key):
        raise ValueError(f"{place}: a key is made of visible ASCII characters without spaces and commas")
    return ApiKey(name, ROLES[role], _digest(key))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()

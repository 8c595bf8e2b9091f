"""Hides the values of secret keys: in stored JSON, in free text such as log lines, and in Python values.

JSON is not parsed and written anew: only the values that are hidden change, so integers of any size, the order of keys
and repeated keys stay what they are, and a text without secrets is the very same object. Free text is guessed at
(``key=value``, ``key: value``, JSON or a repr inside a sentence), and in doubt more is hidden rather than less.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "[redacted]"

_STRING = re.compile(r'(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")(?P<colon>\s*:\s*)?', re.DOTALL)
_JSON_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_JSON_SCALAR = re.compile(r"[^,}\]\s]*")

# A quote inside a JSON text that is itself inside a string has backslashes before it: they are part of the quote.
_QUOTE = re.compile(r"[bru]?(?P<quote>\\{0,8}[\"'])", re.IGNORECASE)
_TEXT_BRACKET = re.compile(r"(?P<quote>\\{0,8}[\"'])(?:(?!(?<!\\)(?P=quote)).)*(?P=quote)|[{}\[\]]", re.DOTALL)
_TEXT_SCALAR = re.compile(r"(?:(?:Bearer|Basic|Digest|Negotiate|Token|ApiKey)[ \t]+)?[^\s,;&\"')\]}]+", re.IGNORECASE)
_DEPTH = {"{": 1, "[": 1, "}": -1, "]": -1}


class Redactor:
    """Hides the values of ``keys``; case and punctuation in keys make no difference (``api_key``, ``apiKey``)."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(map(_plain, keys)) - {""}
        names = "|".join(r"[-_ .]?".join(map(re.escape, key)) for key in sorted(self._keys)) or r"(?!)"
        self._pair = re.compile(
            rf"(?<![^\W_])(?:{names})(?P<quote>\\{{0,8}}[\"'])?[ \t]{{0,8}}[:=]{{1,2}}>?[ \t]{{0,8}}",
            re.IGNORECASE,
        )

    def is_secret(self, key: str) -> bool:
        """Whether the values of this key are hidden."""
        return _plain(key) in self._keys

    def json(self, text: str) -> str:
        """``text``, which is JSON, without the values of secret keys at any depth, and those inside its strings."""
        if not self._keys or not ("\\u" in text or self._is_mentioned(text)):
            return text
        pieces: list[str] = []
        done = position = 0
        while found := _STRING.search(text, position):
            position = found.end()
            string = found["string"]
            word = json.loads(string) if "\\" in string else string[1:-1]
            if found["colon"] is None:
                shown = self.text(word)
                if shown != word:
                    pieces += text[done : found.start()], json.dumps(shown, ensure_ascii=False)
                    done = position
            elif self.is_secret(word):
                pieces += text[done:position], f'"{REDACTED}"'
                done = position = _json_value_end(text, position)
        return "".join((*pieces, text[done:])) if pieces else text

    def text(self, text: str) -> str:
        """``text``, which is for people, without what follows a secret key."""
        if not self._is_mentioned(text):
            return text
        pieces: list[str] = []
        done = position = 0
        while found := self._pair.search(text, position):
            position = found.end()
            end, quote = _text_value(text, position)
            if end == position:
                continue
            quote = quote or found["quote"] or ""
            pieces += text[done:position], f"{quote}{REDACTED}{quote}"
            done = position = end
        return "".join((*pieces, text[done:])) if pieces else text

    def _is_mentioned(self, text: str) -> bool:
        """Whether a secret key stands anywhere in ``text``: this is asked of everything, so it must be quick."""
        plain = _plain(text)
        return any(key in plain for key in self._keys)

    def value(self, value: Any) -> Any:
        """A copy of a Python value without the values of secret keys; texts in it are searched too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                key: REDACTED if isinstance(key, str) and self.is_secret(key) else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, bytes | BaseException):
            return self.text(repr(value))
        return value


def _plain(key: str) -> str:
    return key.casefold().replace("_", "").replace("-", "").replace(" ", "").replace(".", "")


def _json_value_end(text: str, start: int) -> int:
    if text.startswith(("{", "["), start):
        return _closing(_JSON_BRACKET, text, start)
    found = _STRING.match(text, start)
    if found is not None:
        return found.end("string")
    scalar = _JSON_SCALAR.match(text, start)
    return start if scalar is None else scalar.end()


def _text_value(text: str, start: int) -> tuple[int, str | None]:
    """Where the value that starts here ends, and the quotes around it. One that is cut off goes on to the end."""
    if text.startswith(("{", "["), start):
        return _closing(_TEXT_BRACKET, text, start), None
    if opening := _QUOTE.match(text, start):
        quote = opening["quote"]
        closing = re.compile(rf"(?<!\\){re.escape(quote)}").search(text, opening.end())
        return (len(text) if closing is None else closing.end()), quote
    scalar = _TEXT_SCALAR.match(text, start)
    return (start if scalar is None else scalar.end()), None


def _closing(token: re.Pattern[str], text: str, start: int) -> int:
    depth = 0
    for found in token.finditer(text, start):
        depth += _DEPTH.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(text)

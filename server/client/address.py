"""Where the server is and who asks: options first, then the environment, then a ``.env`` file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dotenv import dotenv_values

URL_NAME, KEY_NAME = "SIGNALBOX_URL", "SIGNALBOX_API_KEY"
NAMES = (URL_NAME, KEY_NAME)
"""The settings of the client; the server knows them as names, and does not read them."""
DEFAULT_URL = "http://127.0.0.1:8000"
PATH = "/graphql"


@dataclass(frozen=True, slots=True)
class Address:
    """A server's GraphQL endpoint. ``shown`` is it without a password."""

    url: str
    shown: str
    api_key: str | None = None


def find_address(url: str | None, api_key: str | None) -> Address:
    """The server that is meant.

    Raises:
        ValueError: the URL or the key cannot be used.
    """
    file = Path(".env")
    given = {**(dotenv_values(file) if file.exists() else {}), **os.environ}
    key = api_key or given.get(KEY_NAME) or None
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError(f"the API key ({KEY_NAME}) has characters that no key has")
    return parse_address(url or given.get(URL_NAME) or DEFAULT_URL, key)


def parse_address(text: str, api_key: str | None = None) -> Address:
    """The endpoint that ``text`` names: with or without a scheme, a path prefix and ``/graphql``.

    Raises:
        ValueError: it is no URL of a server.
    """
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is not a URL: {error}") from None
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https"):
        raise ValueError(f"{text!r}: give an http or https URL, as {DEFAULT_URL}")
    if not host or parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} is not the URL of a server; one looks like {DEFAULT_URL}")
    if parts.username is not None and api_key is not None:
        raise ValueError("give an API key, or a user in the URL, not both: each is an Authorization header")
    path = parts.path.rstrip("/")
    path = path if path.endswith(PATH) else path + PATH
    name = f"[{host}]" if ":" in host else host
    shown = urlunsplit((scheme, name if port is None else f"{name}:{port}", path, "", ""))
    return Address(urlunsplit((scheme, parts.netloc, path, "", "")), shown, api_key)

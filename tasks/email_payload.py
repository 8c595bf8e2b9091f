"""What ``email.send`` takes. Nothing passes that could add a header or a recipient of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.headerregistry import Address
from email.policy import SMTP
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_RECIPIENTS = 100
_HEADER_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322, 3.6.8: printable ASCII without the colon
_OWN_HEADERS = frozenset(
    {
        *("bcc", "cc", "date", "from", "message-id", "mime-version", "received", "reply-to", "return-path"),
        *("sender", "subject", "to"),
    }
)


def one_address(text: str) -> Address:
    """``text``, as ``a@example.com`` or ``Name <a@example.com>``.

    Raises:
        ValueError: it is anything else, a list of addresses for one.
    """
    header = SMTP.header_factory("to", _one_line(text))
    found: Sequence[Address] = () if header.defects else getattr(header, "addresses", ())
    try:
        (address,) = found
        if not address.username or not address.domain.encode("idna"):
            raise ValueError
    except ValueError:  # UnicodeError is one: a domain that DNS cannot hold
        raise ValueError(f"{text[:80]!r} is not one e-mail address") from None
    return address


def _one_line(text: str) -> str:
    if any(character < " " or character in "\x7f\x85\u2028\u2029" for character in text):
        raise ValueError("it has a line break or control character in it")
    return text


def _checked_address(text: str) -> str:
    one_address(text)
    return text


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS or name.lower().startswith("content-"):
            raise ValueError(f"the header {name[:80]!r} cannot be set here")
        _one_line(text)
    return headers


Line = Annotated[str, AfterValidator(_one_line)]
AddressText = Annotated[str, Field(max_length=500), AfterValidator(_checked_address)]
Addresses = Annotated[
    list[AddressText],
    Field(max_length=MAX_RECIPIENTS),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]),
]


class EmailPayload(BaseModel):
    """A message: `to`, `subject`, and `text`, `html` or both."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[Addresses, Field(min_length=1)]
    subject: Line = ""
    text: str | None = None
    html: str | None = None
    from_: AddressText | None = Field(None, alias="from")
    cc: Addresses = Field(default_factory=list)
    reply_to: Addresses = Field(default_factory=list)
    headers: Annotated[dict[str, str], AfterValidator(_checked_headers)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_body(self) -> Self:
        if self.text is None and self.html is None:
            raise ValueError("give text, html or both")
        return self

    def recipients(self) -> list[str]:
        """The bare addresses that it goes to, each once."""
        return list(dict.fromkeys(one_address(text).addr_spec for text in [*self.to, *self.cc]))

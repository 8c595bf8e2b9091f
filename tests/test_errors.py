"""Each error of the engine tells clients its code and what it is about."""

import pytest

from engine import errors


@pytest.mark.parametrize(
    ("error", "extensions"),
    [
        (errors.InvalidInput("first is 0", field="first"), {"code": "BAD_USER_INPUT", "field": "first"}),
        (errors.InvalidInput("not JSON"), {"code": "BAD_USER_INPUT"}),
        (errors.InvalidState("it runs", status="RUNNING"), {"code": "INVALID_STATE", "status": "RUNNING"}),
        (errors.SlowConsumer(cursor="7"), {"code": "SLOW_CONSUMER", "cursor": "7"}),
        (errors.NotFound(), {"code": "NOT_FOUND"}),
        (errors.Unavailable(), {"code": "UNAVAILABLE"}),
    ],
)
def test_extensions(error: errors.SignalboxError, extensions: dict[str, object]) -> None:
    assert error.extensions == extensions


def test_the_docstring_is_the_default_message() -> None:
    assert str(errors.NotFound()) == "There is no such object."

"""For ``schemathesis run`` (``make schemathesis``): the schema's own scalar JSON, and what a defect is."""

import schemathesis
from hypothesis import strategies
from schemathesis.graphql import nodes

schemathesis.graphql.scalar(
    "JSON",
    strategies.text().map(nodes.String)
    | strategies.integers().map(nodes.Int)
    | strategies.floats(allow_nan=False, allow_infinity=False).map(nodes.Float)
    | strategies.booleans().map(nodes.Boolean),
)


@schemathesis.check
def no_defect(ctx: object, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Its own check takes ``NOT_FOUND`` for a server's error; only what the server masks is one."""
    assert response.status_code < 500, f"status {response.status_code}"
    assert '"INTERNAL"' not in response.text, response.text

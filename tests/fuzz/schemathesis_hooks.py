"""The schema's own scalars, for ``schemathesis run`` (``make schemathesis``); it knows DateTime by itself."""

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

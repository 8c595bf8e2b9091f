"""A real server's webhooks, verified by npm's ``standardwebhooks``. (Tests of the API ask the library of Python.)"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from processes import ServerProcess

pytestmark = pytest.mark.clients

UNFIT = {"refused": "No matching signature found"}


def test_the_library_of_node_verifies(node: Callable[..., str], server: ServerProcess) -> None:
    got = json.loads(node("standard_webhooks.mjs", f"{server.url}/graphql"))
    body = got["genuine"]["accepted"]
    assert (body["jobId"], body["taskName"]) == (int(got["jobId"]), "Grüße senden")
    assert body["payload"] == {"text": "Grüße, 世界"}
    for case in ("wrongSecret", "secretOfLater", "changedBody", "anotherId"):
        assert got[case] == UNFIT, case
    assert got["late"] == {"refused": "Message timestamp too old"}
    # while a secret is rotated, a receiver that knows either of the two takes the webhook
    assert got["rotatedByOld"] == got["rotatedByNew"] == got["genuine"]

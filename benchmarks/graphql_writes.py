"""createJob: ours beside Node's servers, in turn. Each request has a payload of its own.

    python benchmarks/graphql_writes.py --database mysql://... [--runs N] [--seconds N] [--processes N] [--only NAME...]

Every answer means that the job is committed: what a commit waits for is printed. Peers write one row for each request;
ours writes the job and its event. Needs wrk, and Node with npm for the peers.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.side_by_side import main

if __name__ == "__main__":
    main("graphql_writes", ("create",), __doc__)

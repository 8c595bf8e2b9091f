"""A page of 50 jobs, and one job by its id: ours beside Node's servers, in turn, over the same rows.

    python benchmarks/graphql_reads.py --database mysql://... [--runs N] [--seconds N] [--processes N] [--only NAME...]

wrk asks on 32 connections, each time for another status and priority or another id; answers are of one size. Peers read
a table that has only the columns that are asked for. Needs wrk, and Node with npm for the peers.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.side_by_side import main

if __name__ == "__main__":
    main("graphql_reads", ("list", "job"), __doc__)

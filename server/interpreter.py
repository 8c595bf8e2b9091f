"""How a serving process sets Python itself."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.0002
"""How long a thread that wants the interpreter waits before it asks for it. SQLite's thread wants it several times in a
transaction; with Python's own 5 ms it is served only once the loop has nothing left to do, and the two take turns."""


def tune() -> None:
    """Call it when all that lives as long as the process is made.

    A full collection would look at all of that again and again, and everything waits meanwhile.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

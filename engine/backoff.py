"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST_SECONDS = 15.0
LONGEST_SECONDS = 3600.0
JITTER = 0.1


def retry_delay_seconds(attempt: int) -> float:
    """The wait after attempt number ``attempt`` has failed: 15 s * 2^(attempt - 1), at most an hour, +-10 %."""
    delay: float = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempt - 1, 16))
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret

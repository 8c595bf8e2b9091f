"""How often each of many processes looks for work that any of them may do.

A schedule that is due, a webhook, a job in the queue: each process can see to it, and it is enough that one looks in
time. So where many look, each looks less often: together they look as often as one would that is alone. What a
process commits itself wakes its own loops, however long they meant to rest.

Failure handling: the number of workers is some seconds old, and those that have just died are in it. So no loop rests
for longer than it is given at most, whatever the number says.
"""

from __future__ import annotations

from engine.service import Rest, Turn, moments

LONGEST_REST_SECONDS = 10.0


class Fleet:
    """The workers on one database; counted by the rescuer of each process, now and then.

    Attributes:
        workers: how many there are.
        worker_id: that of this process; None in one that has none.
    """

    def __init__(self) -> None:
        self.workers = 1
        self.worker_id: int | None = None

    def counted(self, workers: int, before: int) -> None:
        """Note how many workers there are, and how many of them have a lower id than that of this process."""
        self.workers = workers
        moments.place = before / workers if before < workers else None

    def rest(self, seconds: float, at_most: float = LONGEST_REST_SECONDS) -> Rest:
        """The seconds until this process looks again.

        Args:
            seconds: how often somebody should look.
            at_most: how long this process may leave it to the others.
        """
        return Turn(max(seconds, min(at_most, seconds * self.workers)))

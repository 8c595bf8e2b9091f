"""What a notifier is: it carries hints between the processes of one deployment, and nothing that anybody relies on.

A hint says that it is worth looking into the database now. Whoever is given one looks there; whoever is given none
looks by itself, every ``SAFETY_SECONDS`` while hints arrive, and as often as it polls while they do not. So a hint that
is lost, late, doubled, or another deployment's costs time, and never a job, an event or a wish to cancel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from engine.service import Rest, Service

SAFETY_SECONDS = 1.0
"""How often everyone looks although hints arrive: one may have been lost and nobody knows."""


class Topic(StrEnum):
    """Settings that are kept in the database, and that processes remember."""

    TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class News:
    """What a commit left for others.

    Attributes:
        queued: how many jobs can be claimed that nobody here will.
        seq: the last of its events; 0 when it wrote none.
        to_cancel: running jobs that somebody wants cancelled.
        topics: the settings that it changed.
    """

    queued: int = 0
    seq: int = 0
    to_cancel: Sequence[int] = ()
    topics: Collection[Topic] = ()


class Listener(Protocol):
    """The part of a process that hints are for. Nothing of it may raise or wait."""

    def wants_work(self) -> bool:
        """Whether a job could be run here now."""

    def work(self) -> None:
        """There is a job to claim."""

    def events(self, seq: int) -> None:
        """Events up to ``seq`` can be read."""

    def cancels(self, job_ids: Collection[int]) -> None:
        """Somebody wants these jobs cancelled, whoever runs them."""

    def settings(self, topics: Collection[Topic]) -> None:
        """What is remembered of these topics may be old."""

    def doubt(self) -> None:
        """Hints may have been lost, or will be from now on: look now."""


class Notifier(ABC):
    """Carries hints. Everything but the loops in ``services`` is done at once, whatever has become of the others."""

    name: str
    services: Sequence[Service] = ()
    """Its loops, to be started and stopped with the process; not one of them is vital."""

    @abstractmethod
    def listen(self, listener: Listener) -> None:
        """Hand hints to ``listener``, the only one of this process."""

    @property
    @abstractmethod
    def is_live(self) -> bool:
        """Whether hints of others arrive, as far as is known."""

    @abstractmethod
    def tell(self, news: News) -> None:
        """Tell the others. It never waits and never raises."""

    @abstractmethod
    def await_work(self) -> None:
        """Let the next job that is for anybody be this process's: ``Listener.work`` is then called, once."""

    @property
    def where(self) -> str:
        """What carries the hints, as people may see it."""
        return self.name

    async def find_problem(self) -> str | None:
        """What is in the way of hints at this moment, whether it runs or not; None when nothing is."""
        return None

    def pause(self, polling_seconds: float) -> Rest:
        """The seconds until a loop looks again that polls every ``polling_seconds`` when there are no hints."""
        return Rest(max(polling_seconds, SAFETY_SECONDS) if self.is_live else polling_seconds)

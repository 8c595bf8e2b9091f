"""The tasks that every installation has. They are built, not declared: what they need is given to them."""

from __future__ import annotations

from engine.http_client import HttpClient
from engine.registry import Task
from tasks.email_send import email_task
from tasks.http_request import http_task
from tasks.report import JobsCreated, Now, report_task
from tasks.simulate import fallback_task, simulate_task

__all__ = ["builtin_tasks", "fallback_task"]


def builtin_tasks(http: HttpClient, smtp_url: str | None, now: Now, jobs_created: JobsCreated) -> list[Task]:
    """``simulate``, ``http.request``, ``email.send`` and ``signalbox.report``.

    Args:
        http: the guarded way out; it must be open when jobs run.
        smtp_url: ``smtp://`` or ``smtps://``; without it ``email.send`` fails and says what is missing.
        now: the clock by which jobs are dated.
        jobs_created: reads the jobs of a period.

    Raises:
        ConfigurationError: ``smtp_url`` cannot be used.
    """
    return [simulate_task(), http_task(http), email_task(smtp_url), report_task(now, jobs_created)]

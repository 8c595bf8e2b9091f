"""Tasks: what can be run, under which name, with which payload.

``task`` declares one; ``TaskRegistry`` knows those that this process can run.
A payload's keys are the function's keyword arguments, checked against its annotations by pydantic.
"""

from __future__ import annotations

import inspect
import re
import threading
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar, get_type_hints

import orjson
from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model

from engine.errors import ConfigurationError, InvalidInput
from engine.limits import check_limits

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_MAX_ATTEMPTS = 3
DEFAULT_TIMEOUT_SECONDS = 300.0
MAX_TIMEOUT_SECONDS = 7 * 86_400.0
MAX_ATTEMPTS = 100
MAX_NAME_LENGTH = 255
UNPRINTABLE = re.compile("[\x00-\x1f\ud800-\udfff]").search
"""Finds a control character, or half of a surrogate pair."""
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class PermanentError(Exception):
    """Raise it in a task to fail the job without another attempt.

    Args:
        message: what went wrong, for the people who read the job.
        code: a short machine-readable word for ``Job.error.code``.
    """

    def __init__(self, message: str = "", *, code: str = "TASK_ERROR") -> None:
        super().__init__(message)
        self.code = code


class Reporter(Protocol):
    """Where a running task's log lines and progress go."""

    def log(self, job_id: int, attempt: int, level: str, message: str) -> None: ...

    def progress(self, job_id: int, fraction: float) -> None: ...


class _Done:
    """An awaitable that is done: tasks in threads may leave the ``await`` away."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()


class TaskContext:
    """What a task knows of the attempt it is.

    Attributes:
        job_id: the job's number, as the API and webhooks give it.
        task_name: the name the job was created with.
        attempt: 1 for the first.
        max_attempts: after that many the job is FAILED.
        scheduled_for: the firing time of the schedule that made the job, if one did.
    """

    __slots__ = ("_cancelled", "_reporter", "attempt", "job_id", "max_attempts", "scheduled_for", "task_name")

    def __init__(self, job_id: int, task_name: str, attempt: int, max_attempts: int, reporter: Reporter) -> None:
        self.job_id = job_id
        self.task_name = task_name
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.scheduled_for: datetime | None = None
        self._reporter = reporter
        self._cancelled: threading.Event | None = None

    @property
    def cancelled(self) -> bool:
        """Whether this attempt is to stop: for tasks in threads, which cannot be interrupted, to look at."""
        return self._cancelled is not None and self._cancelled.is_set()

    def watch_cancellation(self) -> threading.Event:
        """The event behind ``cancelled``; the executor sets it."""
        if self._cancelled is None:
            self._cancelled = threading.Event()
        return self._cancelled

    def log(self, message: str, level: str = "info") -> Awaitable[None]:
        """Write a line to the job's log. ``await`` it in an async task; just call it in a plain one.

        What Python's ``logging`` is given inside a task lands there too, from INFO on.

        Args:
            message: up to 10,000 characters; the rest is cut.
            level: debug, info, warning, error or critical.

        Raises:
            ValueError: ``level`` is another word.
        """
        if level not in LOG_LEVELS:
            raise ValueError(f"level is {', '.join(LOG_LEVELS[:-1])} or {LOG_LEVELS[-1]}, not {level!r}")
        self._reporter.log(self.job_id, self.attempt, level, str(message))
        return _DONE

    def progress(self, fraction: float) -> Awaitable[None]:
        """Tell how far the task is: 0 to 1.

        Raises:
            ValueError: ``fraction`` is not from 0 to 1.
        """
        if not 0 <= fraction <= 1:
            raise ValueError(f"progress is a fraction from 0 to 1, not {fraction!r}")
        self._reporter.progress(self.job_id, float(fraction))
        return _DONE


@dataclass(frozen=True, slots=True)
class Task:
    """A function that can be run as a job. ``declare`` is the way to make one."""

    name: str
    function: Callable[..., Any]
    description: str | None
    max_attempts: int
    timeout_seconds: float
    is_async: bool
    takes_context: bool
    payload_model: type[BaseModel] | None = field(repr=False)
    model_argument: str | None = None
    context_name: str | None = None
    """The context's own parameter, where a payload could name it too."""
    max_concurrency: int | None = None
    max_concurrency_per_key: int | None = None
    rate_limit: str | None = None

    @classmethod
    def declare(
        cls,
        name: str,
        function: Callable[..., Any],
        *,
        max_attempts: int,
        timeout_seconds: float,
        max_concurrency: int | None = None,
        max_concurrency_per_key: int | None = None,
        rate_limit: str | None = None,
    ) -> Task:
        """Read ``function``'s signature.

        Raises:
            ConfigurationError: a name, limit or parameter cannot be used.
        """
        check_task_name(name, ConfigurationError)
        if not 1 <= max_attempts <= MAX_ATTEMPTS:
            raise ConfigurationError(f"task {name!r}: max_attempts is {max_attempts}; it must be 1 to {MAX_ATTEMPTS}")
        if not 0 < timeout_seconds <= MAX_TIMEOUT_SECONDS:
            raise ConfigurationError(
                f"task {name!r}: timeout_seconds is {timeout_seconds}; it must be above 0, at most 7 days"
            )
        check_limits(
            name,
            max_concurrency=max_concurrency,
            max_concurrency_per_key=max_concurrency_per_key,
            rate_limit=rate_limit,
        )
        takes_context, model, model_argument = _read_signature(name, function)
        return cls(
            name,
            function,
            inspect.getdoc(function),
            max_attempts,
            float(timeout_seconds),
            inspect.iscoroutinefunction(function),
            takes_context,
            model,
            model_argument,
            _context_name(function) if takes_context else None,
            max_concurrency,
            max_concurrency_per_key,
            rate_limit,
        )

    def arguments(self, payload: Any) -> dict[str, Any]:
        """``payload`` (JSON, parsed) as the function's keyword arguments.

        Raises:
            InvalidInput: it does not fit the annotations; ``field`` is the place in the payload.
        """
        if payload is None:
            payload = {}
        if not isinstance(payload, dict):
            raise InvalidInput(
                f"payload: the task {self.name!r} takes an object of named arguments, not {type(payload).__name__}.",
                field="payload",
            )
        if self.payload_model is None:
            self._refuse_context_in(payload)
            return payload
        try:
            checked = self.payload_model.model_validate(payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(["payload", *map(str, first["loc"])])
            others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
            raise InvalidInput(f"{place}: {first['msg']}, for the task {self.name!r}{others}.", field=place) from None
        if self.model_argument is not None:
            return {self.model_argument: checked}
        extra = checked.model_extra
        if not extra:
            return dict(checked.__dict__)
        self._refuse_context_in(extra)
        return checked.__dict__ | extra

    def _refuse_context_in(self, extra: dict[str, Any]) -> None:
        """A payload's key that is the context's own parameter would be a TypeError when the task is called."""
        name = self.context_name
        if name is not None and name in extra:
            raise InvalidInput(
                f"payload.{name}: the task {self.name!r} has another use for this name.", field=f"payload.{name}"
            )

    @property
    def payload_schema_text(self) -> str | None:
        """The payload's JSON Schema (draft 2020-12, as pydantic writes it); None when anything goes."""
        if self.payload_model is None:
            return None
        return orjson.dumps(self.payload_model.model_json_schema()).decode()


_declared: list[Task] = []


def declared_tasks() -> Sequence[Task]:
    """Every task that ``task`` has declared in this process, in order."""
    return _declared


def task(
    name: str,
    *,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    max_concurrency: int | None = None,
    max_concurrency_per_key: int | None = None,
    rate_limit: str | None = None,
) -> Callable[[F], F]:
    """Make the function below a task that jobs can name.

    Args:
        name: 1 to 255 characters; what clients give as ``taskName``.
        max_attempts: 1 to 100, unless the job says otherwise.
        timeout_seconds: how long one attempt may take, unless the job says otherwise.
        max_concurrency: how many of its jobs run at once, on all workers of the database together.
        max_concurrency_per_key: the same of those jobs that have one ``concurrencyKey``; jobs without one are not
            limited by it.
        rate_limit: how many attempts are started in a time, on all workers together, as in ``10/s``, ``60/min``,
            ``1000/hour`` or ``5000/day``; they are spread evenly, and at most the starts of one second are saved up.

    Raises:
        ConfigurationError: one of these, or a parameter of the function, cannot be used.
    """

    def declare(function: F) -> F:
        _declared.append(
            Task.declare(
                name,
                function,
                max_attempts=max_attempts,
                timeout_seconds=timeout_seconds,
                max_concurrency=max_concurrency,
                max_concurrency_per_key=max_concurrency_per_key,
                rate_limit=rate_limit,
            )
        )
        return function

    return declare


class TaskRegistry:
    """The tasks this process can run."""

    def __init__(self, tasks: Iterable[Task] = (), *, fallback: Task | None = None) -> None:
        self._tasks: dict[str, Task] = {}
        self.fallback = fallback
        for each in tasks:
            self.add(each)

    def add(self, task: Task) -> None:
        """Add a task.

        Raises:
            ConfigurationError: its name is taken by another function.
        """
        known = self._tasks.get(task.name)
        if known is not None and known.function is not task.function:
            raise ConfigurationError(
                f"two tasks are named {task.name!r}: {_place(known.function)} and {_place(task.function)}"
            )
        self._tasks[task.name] = task

    def get(self, name: str) -> Task | None:
        """The task of this name, or the fallback for unknown names, if there is one."""
        return self._tasks.get(name, self.fallback)

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def __iter__(self) -> Generator[Task, None, None]:
        yield from self._tasks.values()

    def __len__(self) -> int:
        return len(self._tasks)


def check_task_name(name: str, error: type[Exception] = InvalidInput) -> None:
    """Refuse a name that is empty, longer than 255 characters, or has control characters."""
    problem = None
    if not name or name.isspace():
        problem = "it is empty"
    elif len(name) > MAX_NAME_LENGTH:
        problem = f"it has {len(name)} characters; at most {MAX_NAME_LENGTH} fit"
    elif UNPRINTABLE(name):
        problem = "it has a control character or half of a surrogate pair"
    if problem is None:
        return
    if issubclass(error, InvalidInput):
        raise error(f"taskName: {problem}.", field="taskName")
    raise error(f"task name {name[:40]!r}: {problem}")


def _read_signature(name: str, function: Callable[..., Any]) -> tuple[bool, type[BaseModel] | None, str | None]:
    try:
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())
    except (NameError, TypeError, ValueError) as error:
        raise ConfigurationError(f"task {name!r}: its signature cannot be read: {error}") from error
    takes_context = bool(parameters) and (
        hints.get(parameters[0].name) is TaskContext or parameters[0].name in ("ctx", "context")
    )
    rest = parameters[1:] if takes_context else parameters
    if len(rest) == 1:
        hint = hints.get(rest[0].name)
        if isinstance(hint, type) and issubclass(hint, BaseModel):
            return takes_context, hint, rest[0].name
    fields: dict[str, Any] = {}
    takes_anything = False
    for parameter in rest:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_anything = True
        elif parameter.name.startswith("_") or parameter.name == "model_config":
            raise ConfigurationError(f"task {name!r}: no payload can have a key {parameter.name!r}; rename it")
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints.get(parameter.name, Any), default)
        else:
            raise ConfigurationError(
                f"task {name!r}: its parameter {parameter.name!r} cannot be given by name, as payloads do"
            )
    if takes_anything and not fields:
        return takes_context, None, None
    config = ConfigDict(extra="allow" if takes_anything else "forbid", arbitrary_types_allowed=False)
    try:
        with warnings.catch_warnings():
            # a parameter may be named `json` or `copy`: the model's methods of these names are never called
            warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
            model = create_model(name.replace(" ", "") + "Payload", __config__=config, **fields)
    except (PydanticUserError, NameError, ValueError) as error:
        raise ConfigurationError(f"task {name!r}: a parameter cannot be checked: {error}") from error
    return takes_context, model, None


def _context_name(function: Callable[..., Any]) -> str | None:
    first = next(iter(inspect.signature(function).parameters.values()))
    return None if first.kind is first.POSITIONAL_ONLY else first.name


def _place(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"

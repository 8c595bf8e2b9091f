"""How a function becomes a task, how its payload is read, and how the users' modules are found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, Field

from engine.errors import ConfigurationError, InvalidInput
from engine.registry import PermanentError, Task, TaskContext, TaskRegistry, check_task_name, task
from engine.task_loading import load_tasks


def declare(function: Callable[..., Any], name: str = "t", **limits: Any) -> Task:
    return Task.declare(name, function, **{"max_attempts": 3, "timeout_seconds": 60, **limits})


class Order(BaseModel):
    number: int
    note: str = ""


class NoModel:
    pass


async def with_context(ctx: TaskContext, email: str, copies: int = 1) -> None:
    """Sends it."""


async def with_context_of_any_name(attempt: TaskContext, *, email: str) -> None: ...


async def with_context_by_name(context, email: str) -> None: ...  # type: ignore[no-untyped-def]


async def without_context(email: str) -> None: ...


async def with_extra(ctx: TaskContext, email: str = "", **others: Any) -> None: ...


async def with_extra_and_hidden_context(ctx: TaskContext, /, **others: Any) -> None: ...


async def with_model(ctx: TaskContext, order: Order) -> None: ...


async def with_model_among_others(order: Order, at: Annotated[int, Field(ge=1)] = 1) -> None: ...


async def with_nothing() -> None: ...


def in_a_thread(json: dict[str, int], copy: bool = False, schema: str = "public") -> None: ...


async def untyped(anything, other=None): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("function", "payload", "arguments"),
    [
        (with_context, {"email": "a@b"}, {"email": "a@b", "copies": 1}),
        (with_context, {"email": "a@b", "copies": "2"}, {"email": "a@b", "copies": 2}),
        (with_context_of_any_name, {"email": "a"}, {"email": "a"}),
        (with_context_by_name, {"email": "a"}, {"email": "a"}),
        (without_context, {"email": "a"}, {"email": "a"}),
        (with_extra, {"x": 1}, {"email": "", "x": 1}),
        (with_extra, None, {"email": ""}),
        (with_extra, {"model_fields": 1, "model_extra": 2}, {"email": "", "model_fields": 1, "model_extra": 2}),
        (with_extra_and_hidden_context, {"ctx": 1, "x": 2}, {"ctx": 1, "x": 2}),
        (with_model, {"number": 7}, {"order": Order(number=7)}),
        (with_model_among_others, {"order": {"number": 7}}, {"order": Order(number=7), "at": 1}),
        (with_nothing, None, {}),
        (with_nothing, {}, {}),
        (in_a_thread, {"json": {"a": 1}, "copy": True}, {"json": {"a": 1}, "copy": True, "schema": "public"}),
        (untyped, {"anything": [None]}, {"anything": [None], "other": None}),
    ],
)
def test_a_payload_becomes_arguments(function: Callable[..., Any], payload: Any, arguments: dict[str, Any]) -> None:
    assert declare(function).arguments(payload) == arguments


@pytest.mark.parametrize(
    ("function", "payload", "field"),
    [
        (with_context, [], "payload"),
        (with_context, "x", "payload"),
        (with_context, None, "payload.email"),
        (with_context, {"email": 1}, "payload.email"),
        (with_context, {"email": "a", "copies": "many"}, "payload.copies"),
        (with_context, {"email": "a", "ctx": 1}, "payload.ctx"),
        (with_context, {"email": "a", "emial": "b"}, "payload.emial"),
        (with_extra, {"ctx": 1}, "payload.ctx"),
        (with_model, {"number": "x"}, "payload.number"),
        (with_model, {}, "payload.number"),
        (with_model_among_others, {"order": {"number": "x"}}, "payload.order.number"),
        (with_model_among_others, {"order": {"number": 1}, "at": 0}, "payload.at"),
        (in_a_thread, {"json": {"a": "x"}}, "payload.json.a"),
        (with_nothing, {"x": 1}, "payload.x"),
    ],
)
def test_a_payload_that_does_not_fit(function: Callable[..., Any], payload: Any, field: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^{field}: .*'t'") as refusal:
        declare(function).arguments(payload)
    assert refusal.value.field == field


def test_several_faults_are_counted() -> None:
    with pytest.raises(InvalidInput, match=r"\(and 1 more\)"):
        declare(with_context).arguments({"email": 1, "copies": "x"})


def test_what_a_declaration_says() -> None:
    found = declare(with_context, "Send", max_attempts=5, timeout_seconds=9)
    assert (found.name, found.description, found.max_attempts, found.timeout_seconds) == ("Send", "Sends it.", 5, 9.0)
    assert (found.is_async, found.takes_context) == (True, True)
    assert not declare(in_a_thread).is_async
    assert not declare(without_context).takes_context
    schema = orjson.loads(found.payload_schema_text or "")
    assert schema["required"] == ["email"]
    assert schema["additionalProperties"] is False
    assert declare(with_extra_and_hidden_context).payload_schema_text is None


def with_positions(first: int, /) -> None: ...


def with_arguments(*numbers: int) -> None: ...


def with_underscore(_hidden: int) -> None: ...


def with_model_config(model_config: int) -> None: ...


def with_unknown_type(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def with_type_that_json_lacks(x: NoModel) -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (with_positions, "'first' cannot be given by name"),
        (with_arguments, "'numbers' cannot be given by name"),
        (with_underscore, "'_hidden'; rename it"),
        (with_model_config, "'model_config'; rename it"),
        (with_unknown_type, "'Nowhere' is not defined"),
        (with_type_that_json_lacks, "NoModel"),
        (max, "signature cannot be read"),
    ],
)
def test_a_function_that_cannot_be_a_task(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s)^task 't': .*{reason}"):
        declare(function)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_attempts": 0},
        {"max_attempts": 101},
        {"timeout_seconds": 0},
        {"timeout_seconds": -1},
        {"timeout_seconds": 7 * 86_400 + 1},
        {"timeout_seconds": float("nan")},
    ],
)
def test_limits_out_of_range(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(limits))):
        declare(with_nothing, **limits)


@pytest.mark.parametrize("name", ["a", "a" * 255, "Send Test Email", "müll 😀", " a "])
def test_names(name: str) -> None:
    check_task_name(name)
    assert declare(with_context, name).name == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("  \u3000", "empty"),
        ("a" * 256, "256 characters; at most 255"),
        ("a\nb", "control character"),
        ("a\x00", "control character"),
        ("\ud800", "control character or half"),
    ],
)
def test_names_that_cannot_be_used(name: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        check_task_name(name)
    assert refusal.value.field == "taskName"
    with pytest.raises(ConfigurationError, match=reason):
        declare(with_nothing, name)
    with pytest.raises(ConfigurationError, match=reason):
        task(name)(with_nothing)


def test_a_registry() -> None:
    first, fallback = declare(with_nothing, "first"), declare(untyped, "fallback")
    registry = TaskRegistry([first])
    registry.add(declare(with_nothing, "first"))
    assert len(registry) == len(list(registry)) == 1
    assert registry.get("first") is not None
    assert registry.get("other") is None
    assert "other" not in registry
    with_fallback = TaskRegistry([first], fallback=fallback)
    assert with_fallback.get("other") is fallback
    assert "other" not in with_fallback


def test_two_functions_of_one_name() -> None:
    registry = TaskRegistry([declare(with_nothing)])
    with pytest.raises(ConfigurationError, match=r"two tasks are named 't': .*with_nothing and .*untyped"):
        registry.add(declare(untyped))
    assert [each.function for each in registry] == [with_nothing]


class Notes:
    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def log(self, *line: Any) -> None:
        self.lines.append(line)

    def progress(self, *line: Any) -> None:
        self.lines.append(line)


async def test_a_context() -> None:
    notes = Notes()
    context = TaskContext(7, "t", 2, 3, notes)
    await context.log("one")
    context.log("two", level="warning")
    await context.progress(1)
    assert notes.lines == [(7, 2, "info", "one"), (7, 2, "warning", "two"), (7, 1.0)]
    assert not context.cancelled
    context.watch_cancellation().set()
    assert context.cancelled
    for fraction in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="0 to 1"):
            context.progress(fraction)


def test_a_permanent_error() -> None:
    assert (str(PermanentError("no")), PermanentError("no").code) == ("no", "TASK_ERROR")
    assert PermanentError("no", code="GONE").code == "GONE"


def write_task(file: Path, name: str, rest: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"from engine.registry import task\n@task({name!r})\ndef run() -> None: ...\n{rest}\n")
    return file


def names_of(sources: list[str]) -> list[str]:
    return [each.name for each in load_tasks(sources)]


def test_loading_a_file(tmp_path: Path) -> None:
    file = write_task(tmp_path / "tasks.py", "mine")
    before = sys.modules.get("tasks")
    [found] = load_tasks([str(file)])
    assert found.name == "mine"
    assert found.function.__module__.startswith("signalbox_tasks_tasks_")
    assert sys.modules.get("tasks") is before


def test_loading_files_of_one_name(tmp_path: Path) -> None:
    files = [write_task(tmp_path / folder / "tasks.py", folder) for folder in ("a", "b")]
    assert names_of([str(file) for file in files]) == ["a", "b"]


def test_loading_a_folder(tmp_path: Path) -> None:
    write_task(tmp_path / "b.py", "b")
    write_task(tmp_path / "a.py", "a")
    assert names_of([str(tmp_path)]) == ["a", "b"]


def test_loading_a_package(tmp_path: Path) -> None:
    write_task(tmp_path / "package" / "__init__.py", "top", "from . import inner")
    write_task(tmp_path / "package" / "inner.py", "inner")
    assert names_of([str(tmp_path / "package")]) == ["top", "inner"]


def test_loading_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_task(tmp_path / "loaded_by_name.py", "by name")
    monkeypatch.syspath_prepend(tmp_path)
    assert names_of(["loaded_by_name"]) == ["by name"]
    assert names_of(["loaded_by_name"]) == ["by name"], "it was imported before"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("import nowhere_at_all", "the import failed: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def", "the import failed: SyntaxError"),
        ("raise SystemExit(0)", "the import failed: SystemExit"),
        ("from engine.registry import task\n@task('')\ndef run(): ...", "task name '': it is empty"),
        ("x = 1", "no task is declared there; use @task from signalbox"),
    ],
)
def test_a_file_that_cannot_be_loaded(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=reason):
        load_tasks([str(file)])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere.py", "there is no such file"),
        ("./nowhere", "there is no such file"),
        ("nowhere_at_all", "the import failed: ModuleNotFoundError"),
        ("folder", "the folder has no Python file"),
        ("text.txt", "it is not a Python file"),
    ],
)
def test_a_source_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").touch()
    with pytest.raises(ConfigurationError, match=f"--tasks {source}: {reason}"):
        load_tasks([source])

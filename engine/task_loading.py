"""Brings in the modules in which users declare their tasks (``--tasks``)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from engine.errors import ConfigurationError
from engine.registry import Task, declared_tasks


def load_tasks(sources: Sequence[str]) -> list[Task]:
    """Import the users' modules; the tasks they declare.

    Args:
        sources: names of modules, or paths of files and folders. A path is loaded under a name of its own, so that a
            user's ``tasks.py`` never meets ours.

    Raises:
        ConfigurationError: there is no such thing, or its import failed (the cause says why).
    """
    found: list[Task] = []
    for source in sources:
        before = len(declared_tasks())
        try:
            _import(source)
        except ConfigurationError:
            raise
        except (Exception, SystemExit) as error:
            raise ConfigurationError(f"--tasks {source}: the import failed: {type(error).__name__}: {error}") from error
        # a module that was imported before declares nothing anew
        declared = declared_tasks()[before:] or [
            each for each in declared_tasks() if each.function.__module__ == source
        ]
        if not declared:
            raise ConfigurationError(f"--tasks {source}: no task is declared there; use @task from signalbox")
        found.extend(declared)
    return found


def _import(source: str) -> None:
    path = Path(source)
    if not (path.exists() or path.suffix == ".py" or "/" in source):
        importlib.import_module(source)
        return
    if not path.exists():
        raise ConfigurationError(f"--tasks {source}: there is no such file")
    file = path / "__init__.py" if path.is_dir() else path
    if path.is_dir() and not file.exists():
        files = sorted(path.glob("*.py"))
        if not files:
            raise ConfigurationError(f"--tasks {source}: the folder has no Python file")
        for each in files:
            _import(str(each))
        return
    name = f"signalbox_tasks_{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    search = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"--tasks {source}: it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)

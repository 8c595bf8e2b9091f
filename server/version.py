"""The version, from the package's metadata."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def read_version() -> str:
    try:
        return version("signalbox")
    except PackageNotFoundError:
        return "0.0.0"


VERSION = read_version()

"""Logging: structlog for everything, the standard library's loggers included; one event a line."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

from resolvers.redaction import REDACTED, Redactor

LEVEL = logging.INFO


def configure_logs(style: Literal["auto", "console", "json"], redactor: Redactor) -> None:
    """Send every log line to standard error, for people or for machines; without the values of secret keys."""
    is_console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # plain: the other formatter prints the local variables of every frame
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redaction(redactor),
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVEL)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("tortoise").setLevel(logging.WARNING)


def redaction(redactor: Redactor) -> structlog.typing.Processor:
    """Takes the values of secret keys out of every line, at any depth, from its texts and tracebacks too."""

    def redact(
        _logger: structlog.typing.WrappedLogger, _name: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {key: REDACTED if redactor.is_secret(key) else redactor.value(value) for key, value in line.items()}

    return redact

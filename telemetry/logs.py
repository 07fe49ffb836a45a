"""Structured logs: one line per push, job and sweep, with one correlation id from the push through the job."""

import logging
import secrets
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

Log = Any  # structlog's loggers take any event and any facts
log: Log = structlog.get_logger("postroom")


def begin(role: str, *, terminal: bool) -> None:
    """Sets the logs of this process up: lines for people on a terminal, JSON elsewhere."""

    def named(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["role"] = role
        return event

    shared: list[Any] = [
        named,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
        _without_content,
    ]
    renderer = structlog.dev.ConsoleRenderer(pad_event_to=24) if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[_library_line, renderer], foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def correlation(trace: str | None = None, **facts: object) -> str:
    """Binds a correlation id (a new one if none came along) and ids to all lines of this task; returns it."""
    trace = trace or secrets.token_hex(6)
    structlog.contextvars.bind_contextvars(trace=trace, **facts)
    return trace


def fault(event: str, error: BaseException, **facts: object) -> None:
    """An error by its kind and place, never by its text: texts of libraries may quote addresses or content."""
    place, trail = "", error.__traceback__
    while trail:
        place, trail = f"{trail.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trail.tb_lineno}", trail.tb_next
    log.error(event, error=type(error).__name__, at=place, **facts)


def _without_content(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Tracebacks can hold anything: a line keeps the error's kind only."""
    if info := event.pop("exc_info", None):
        kind = sys.exc_info()[0] if info is True else type(info) if isinstance(info, BaseException) else info[0]
        event["error"] = kind.__name__ if kind else "?"
    return event


def _library_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A library's own line: which library and how bad; its text may hold content, so only a template is kept."""
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog", None)
    event.update(event=record.msg if isinstance(record.msg, str) and record.args else "a library warns", library=record.name)
    return event

"""What happened, one line of JSON per event on standard error; and alarms, which hold until they are called off.

An event is a stable dotted name and fields: `log.info("mt.submitted", msg_id=…, link=…)`. Whatever is in a field
(line ends, U+2028, escape sequences, unpaired surrogates), the event stays one line of ASCII.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

from trunkline.runtime import metrics
from trunkline.runtime.clock import wall_ms

_LINE_LIMIT = 4096  # PIPE_BUF: up to this size, lines that several processes write to one pipe do not mix
_LONG_NUMBER = re.compile(r"\+?\d{7,}")
# What the database's driver says of a value that it cannot send, and then the value itself.
_QUOTED_VALUE = re.compile(r"(invalid input for query argument \$\d+).*")


def masked(number: str | None) -> str:
    """A phone number as logs may show it: `+3161•••••42`. Up to 6 characters (short codes) and alphanumeric senders
    are no one's number and stay as they are."""
    if number is None:
        return ""
    if len(number) < 7 or (len(number) <= 11 and any(character.isalpha() for character in number)):
        return number
    head = 5 if len(number) > 10 else 3
    return f"{number[:head]}•••••{number[-2:]}"


def explained(error: BaseException) -> str:
    """An error in one line: its class and the first line of its message, numbers masked.

    Only the first line, because the database's errors go on with a DETAIL that quotes the row.
    """
    lines = str(error).splitlines()
    text = without_numbers(_QUOTED_VALUE.sub(r"\1", lines[0] if lines else ""))
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def without_numbers(text: str) -> str:
    """A text of unknown content with whatever may be a phone number masked; runs of digits in ids may be, too."""
    return _LONG_NUMBER.sub(lambda match: masked(match[0]), text)


def get_logger(**fields: Any) -> Any:
    """A logger that adds `fields` to each event. Works before `configure`, and follows it."""
    return structlog.get_logger(**fields)


def configure(*, level: str = "info", format: str = "json", process: str = "", node: str = "") -> None:
    """Sets up logging for this process: our events, and what libraries say through `logging` from WARNING on."""
    _everywhere.clear()
    _everywhere.update({name: value for name, value in (("node", node), ("process", process)) if value})
    _form["render"] = _console if format == "console" else _json
    # Cached, because building a logger at each call of a module's `log` takes 3 µs.
    _use(level, cache=True)
    root = logging.getLogger()
    root.handlers[:] = [_Foreign()]
    root.setLevel(logging.WARNING)


def _use(level: str, *, cache: bool) -> None:
    structlog.configure(
        processors=[_rendered],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_Lines,
        cache_logger_on_first_use=cache,
    )


_everywhere: dict[str, str] = {}
_form: dict[str, Callable[[dict[str, Any]], bytes]] = {}


def _rendered(_: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
    at = dt.datetime.fromtimestamp(wall_ms() / 1000, dt.UTC).isoformat(timespec="milliseconds")
    head = {"at": at.replace("+00:00", "Z"), "level": level, "event": event.pop("event")}
    return _form["render"](_plain({**head, **_everywhere, **event}))


class _Lines:
    """Writes each line with one system call, so that lines of several processes do not mix. A reader that is gone is
    no reason to stop."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), line)

    debug = info = warning = error = critical = exception = msg


class _Foreign(logging.Handler):
    """Takes the records of libraries over into our log.

    Of what the event loop says only the words before the first object: it shows callbacks with all that they hold, a
    customer's message among it. The exception that comes with it says the rest.
    """

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.name == "asyncio":
            said = re.split(r"[(<\n]", said, maxsplit=1)[0]
        fields: dict[str, Any] = {"logger": record.name, "message": without_numbers(said)}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        log = get_logger()
        (log.error if record.levelno >= logging.ERROR else log.warning)("library.said", **fields)


def _json(fields: dict[str, Any]) -> bytes:
    line = _encoded(fields)
    while len(line) > _LINE_LIMIT:
        longest = max(fields, key=lambda name: len(_encoded(fields[name])))
        text = fields[longest] if isinstance(fields[longest], str) else json.dumps(fields[longest])
        fields[longest] = text[: len(text) // 2 - 1] + "…"
        line = _encoded(fields)
    return line


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"


def _console(fields: dict[str, Any]) -> bytes:
    head = f"{fields.pop('at')[11:23]} {fields.pop('level'):7} {_bare(fields.pop('event'))}"
    frames = fields.pop("frames", ())
    tail = "".join(f" {_bare(name)}={_bare(value)}" for name, value in fields.items())
    return (head + tail + "".join(f"\n    {_bare(frame)}" for frame in frames) + "\n").encode()


def _bare(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Printable, so neither a line end nor an escape sequence nor a surrogate.
    return text if text.isprintable() else json.dumps(text)


def _plain(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event's fields as JSON values, an exception as its explanation and the places that it passed through."""
    fields: dict[str, Any] = {}
    for name, value in event.items():
        if name != "exc_info":
            fields[name] = _value(value)
        elif (error := _error(value)) is not None:
            fields["error"] = explained(error)
            fields["frames"] = _frames(error)
    return fields


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)  # NaN and infinity are not JSON
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    return explained(value) if isinstance(value, BaseException) else str(value)


def _error(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    return exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1] if exc_info else None


def _frames(error: BaseException) -> list[str]:
    """Where it was raised and what had caused it, innermost first. No source lines, no values."""
    frames: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(frames) < 40:
        if seen is not error:
            frames.append("caused by " + explained(seen))
        places = traceback.extract_tb(seen.__traceback__)[-12:]
        frames += [f"{place.filename.rpartition('/src/')[2]}:{place.lineno} {place.name}" for place in places[::-1]]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return frames


_ALARMS = metrics.gauge("trunkline_alarm", "1 while the alarm holds.", "name", "subject", highest=True)


def alarm(name: str, subject: str, on: bool, **fields: Any) -> None:
    """Raises the alarm `name` about `subject`, or calls it off. Only a change is logged: an error when it is raised,
    an info event of the same name with `alarm: "off"` when it is over.
    The gauge `trunkline_alarm` shows it while it holds."""
    held = _ALARMS.of(name, subject)
    if bool(held.value) == on:
        if not on:
            _ALARMS.forget(name, subject)
        return
    held.value = int(on)
    log = get_logger()
    if on:
        log.error(name, subject=subject, alarm="on", **fields)
    else:
        log.info(name, subject=subject, alarm="off", **fields)


_form["render"] = _json
_use("info", cache=False)  # until `configure`

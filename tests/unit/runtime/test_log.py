"""The log: one event is one line of JSON whatever is in it, nothing personal gets in, alarms are told once."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from trunkline.runtime import log, metrics


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    log.configure()
    root.handlers[:], root.level = handlers, level


def events(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    text = capfd.readouterr().err
    assert text.isascii()
    assert text.endswith("\n")
    # Every kind of line end counts, not only \n.
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure(process="api-1", node="n1")
    log.get_logger(link="a/1").info("mt.submitted", part=1)
    (event,) = events(capfd)
    assert event.pop("at").endswith("Z")
    assert event == {
        "level": "info",
        "event": "mt.submitted",
        "node": "n1",
        "process": "api-1",
        "link": "a/1",
        "part": 1,
    }


@pytest.mark.parametrize(
    "nasty",
    [
        "a\r\nb",
        "\u2028\u2029\x85\x0b\x0c",
        "\x1b[31mred",
        '"}\n{"event":"x"',
        "%s %d %(x)s {0}",
        "\ud800",
        "\0",
        b"\xff\n",
    ],
)
def test_nothing_in_a_field_breaks_the_line(capfd: pytest.CaptureFixture[str], nasty: Any) -> None:
    log.configure()
    log.get_logger().info("x.y", field=nasty, nested={"a": [nasty]}, **{"odd\nname": 1})
    (event,) = events(capfd)
    assert event["field"] == (nasty if isinstance(nasty, str) else str(nasty))


def test_nothing_in_a_field_breaks_a_console_line(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure(format="console")
    log.get_logger().info("x.y", field="a\n\x1b[31m\u2028\ud800b", plain="Grüße an alle")
    text = capfd.readouterr().err
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert text.endswith(' field="a\\n\\u001b[31m\\u2028\\ud800b" plain=Grüße an alle\n')


def test_numbers_that_are_not_json_are_text(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure()
    log.get_logger().info("x.y", a=float("nan"), b=float("-inf"), c=1.5)
    (event,) = events(capfd)
    assert (event["a"], event["b"], event["c"]) == ("nan", "-inf", 1.5)


def test_a_line_fits_a_pipe_buffer(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure()
    log.get_logger().info("x.y", short="kept", long="é" * 5000, longs=["x" * 3000] * 3)
    text = capfd.readouterr().err
    assert len(text) <= 4096
    assert json.loads(text)["short"] == "kept"


def test_an_error_is_explained_without_quoting_rows(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure()
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("bad number +31612345678\nDETAIL:  Failing row contains (secret text)") from inner
    except ValueError:
        log.get_logger().exception("x.failed")
    (event,) = events(capfd)
    assert event["error"] == "ValueError: bad number +3161•••••78"
    assert "secret" not in json.dumps(event)
    assert any("test_an_error_is_explained" in frame for frame in event["frames"])
    assert "caused by KeyError: 'inner'" in event["frames"]


def test_what_libraries_say_becomes_an_event(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure()
    logging.getLogger("some.library").error("it %s\nbroke", "all")
    logging.getLogger("some.library").info("chatter")
    (event,) = events(capfd)
    assert (event["event"], event["level"], event["message"]) == ("library.said", "error", "it all\nbroke")


def test_a_value_that_the_driver_could_not_send_is_not_quoted() -> None:
    error = ValueError("invalid input for query argument $6: 'a customer's text' (can't encode it)")
    assert log.explained(error) == "ValueError: invalid input for query argument $6"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_the_event_loop_shows_of_a_callback_is_left_out(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    log.configure()

    def broken(text: str) -> None:
        raise ValueError("broken")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(functools.partial(broken, "secret text"))
        following = loop.create_future()
        loop.call_soon(following.set_result, None)
        await following

    run(main())
    (event,) = events(capfd)
    assert (event["event"], event["error"]) == ("library.said", "ValueError: broken")
    assert event["message"].startswith("Exception in callback ")
    assert "secret" not in json.dumps(event)


def test_a_number_in_a_text_of_a_library_is_masked(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure()
    logging.getLogger("some.library").warning("cannot reach %s", "+31612345642")
    assert events(capfd)[0]["message"] == "cannot reach +3161•••••42"


def test_the_level_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure(level="warning")
    logger = log.get_logger()
    logger.info("x.y")
    logger.debug("x.y")
    logger.warning("x.z")
    assert [event["event"] for event in events(capfd)] == ["x.z"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+31612345642", "+3161•••••42"),
        ("31612345642", "31612•••••42"),
        ("+6512345", "+65•••••45"),
        ("12345", "12345"),
        ("TRUNKLINE", "TRUNKLINE"),
        ("+31612345642x", "+3161•••••2x"),
        (None, ""),
    ],
)
def test_masked(number: str | None, shown: str) -> None:
    assert log.masked(number) == shown


def test_an_alarm_is_told_when_it_changes(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure()

    def shown() -> dict[str, list[float]]:
        families = metrics.read(metrics.REGISTRY.snapshot())
        samples = next(family.samples for family in families if family.name == "trunkline_alarm")
        # Of this process's other tests there may be alarms as well.
        return {key: numbers for key, numbers in samples.items() if key.startswith("link.down\x1f")}

    log.alarm("link.down", "acme", False)
    log.alarm("link.down", "acme", True, since="now")
    log.alarm("link.down", "acme", True)
    assert shown() == {"link.down\x1facme": [1]}
    log.alarm("link.down", "other", True)
    log.alarm("link.down", "acme", False)
    log.alarm("link.down", "acme", False)
    log.alarm("link.down", "other", False)
    assert all(numbers == [0] for numbers in shown().values())
    told = [(event["level"], event["subject"], event["alarm"]) for event in events(capfd)]
    assert told == [
        ("error", "acme", "on"),
        ("error", "other", "on"),
        ("info", "acme", "off"),
        ("info", "other", "off"),
    ]

"""The supervisor with real processes: restarts, drain, metrics of several processes, and death in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from trunkline.runtime.metrics import Family
from trunkline.runtime.supervisor import ChildSpec, Pace, Supervisor

QUICK = Pace(first_s=0.01, limit_s=0.1, sturdy_s=0.0, drain_s=20.0, scrape_s=5.0)

# A role in small: ready at once, counts 7, drains on SIGTERM.
CHILD = """
import asyncio, os, signal, sys
from trunkline.runtime import metrics
from trunkline.runtime.child import Parent

async def main():
    parent = Parent.inherited()
    await parent.listen()
    metrics.counter("t_work", "x").of().value = 7
    metrics.gauge("t_pid", "x", highest=True).of().value = os.getpid()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    parent.ready()
    await stop.wait()
    os.write(1, f"drained {os.getpid()}\\n".encode())  # in one piece: the other child writes to the same pipe
    await parent.close()

asyncio.run(main())
"""


def spec(name: str, code: str = CHILD, **more: object) -> ChildSpec:
    return ChildSpec(name, (sys.executable, "-c", textwrap.dedent(code)), **more)  # type: ignore[arg-type]


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[asyncio.Task[int]]:
    """The supervisor, all its children ready once; stopped at the end."""
    task = asyncio.create_task(supervisor.run(signals=False))
    ready = asyncio.create_task(supervisor.ready.wait())
    try:
        await asyncio.wait({task, ready}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        yield task
    finally:
        ready.cancel()
        supervisor.stop()
        await asyncio.wait_for(task, 30)


def numbers(families: list[Family]) -> dict[str, list[float]]:
    return {f"{family.name}{key}": values for family in families for key, values in family.samples.items()}


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that only another process can signal, by letting the loop turn."""
    loop = asyncio.get_running_loop()
    turn = asyncio.Event()
    async with asyncio.timeout(30):
        while not condition():
            turn.clear()
            loop.call_later(0.01, turn.set)
            await turn.wait()


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_dead_child_comes_back_and_is_reported() -> None:
    async def main() -> None:
        dead: list[tuple[str, int]] = []
        supervisor = Supervisor(
            [spec("one"), spec("two")], pace=QUICK, on_child_dead=lambda one, pid: dead.append((one.name, pid))
        )
        async with running(supervisor):
            before = supervisor.pids()
            os.kill(before["one"], signal.SIGKILL)
            await until(lambda: supervisor.pids().get("one") not in (None, before["one"]))
            assert dead == [("one", before["one"])]
            assert supervisor.pids()["two"] == before["two"]

    asyncio.run(main())


def test_stop_drains(capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> dict[str, int]:
        supervisor = Supervisor([spec("one"), spec("two")], pace=QUICK)
        async with running(supervisor) as task:
            pids = supervisor.pids()
            supervisor.stop()
            assert await task == 0
        return pids

    pids = asyncio.run(main())
    assert sorted(capfd.readouterr().out.splitlines()) == sorted(f"drained {pid}" for pid in pids.values())


STUBBORN = CHILD.replace("stop.set)", "int)")


@pytest.mark.parametrize("how", ["deadline", "hurry"])
def test_what_does_not_drain_is_killed(how: str) -> None:
    async def main() -> None:
        pace = Pace(drain_s=0.2 if how == "deadline" else 30)
        supervisor = Supervisor([spec("one", STUBBORN)], pace=pace)
        async with running(supervisor) as task:
            supervisor.stop()
            if how == "hurry":
                supervisor.hurry()
            assert await asyncio.wait_for(task, 10) == 1

    asyncio.run(main())


def test_metrics_of_all_processes_are_added_up_dead_ones_too() -> None:
    async def main() -> None:
        supervisor = Supervisor([spec("one"), spec("two")], pace=QUICK)
        async with running(supervisor):
            pids = supervisor.pids()
            shown = numbers(await supervisor.numbers())
            assert shown["t_work"] == [14]
            assert shown["t_pid"] == [max(pids.values())]
            assert shown["trunkline_process_upone"] == [1]
            os.kill(pids["one"], signal.SIGKILL)
            await until(lambda: "one" not in supervisor.pids())
            shown = numbers(await supervisor.numbers())
            assert shown["t_work"] == [14]
            assert shown["t_pid"] == [pids["two"]]

    asyncio.run(main())


def test_a_child_that_hangs_does_not_hold_up_a_scrape() -> None:
    async def main() -> None:
        supervisor = Supervisor([spec("one"), spec("two")], pace=Pace(scrape_s=0.2))
        async with running(supervisor):
            await supervisor.numbers()
            pid = supervisor.pids()["one"]
            os.kill(pid, signal.SIGSTOP)
            try:
                shown = numbers(await asyncio.wait_for(supervisor.numbers(), 5))
            finally:
                os.kill(pid, signal.SIGCONT)
            assert shown["t_work"] == [14]

    asyncio.run(main())


REFUSING = """
import sys
from trunkline.runtime.child import CONFIGURATION, Parent
Parent.inherited().failed("the database is of another version\\nand more")
sys.exit(CONFIGURATION)
"""


def test_a_wrong_configuration_ends_everything_with_its_message() -> None:
    async def main() -> None:
        deaths: list[str] = []
        supervisor = Supervisor(
            [spec("good"), spec("bad", REFUSING)],
            pace=QUICK,
            on_child_dead=lambda one, _: deaths.append(one.name),
        )
        assert await asyncio.wait_for(supervisor.run(signals=False), 30) == 78
        assert supervisor.message == "the database is of another version and more"
        assert deaths == ["bad"] * 5

    asyncio.run(main())


def test_failures_of_another_kind_are_tried_for_ever_and_more_slowly() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        died_at: list[float] = []
        enough = asyncio.Event()

        def dead(_: ChildSpec, __: int) -> None:
            died_at.append(loop.time())
            if len(died_at) == 7:
                enough.set()

        supervisor = Supervisor(
            [ChildSpec("bad", ("/bin/false",))], pace=Pace(first_s=0.02, limit_s=0.32), on_child_dead=dead
        )
        async with running_without_ready(supervisor):
            await asyncio.wait_for(enough.wait(), 30)
        pauses = [late - early for early, late in pairwise(died_at)]
        for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.16, 0.32, 0.32), strict=True):
            assert pause >= least

    asyncio.run(main())


@asynccontextmanager
async def running_without_ready(supervisor: Supervisor) -> AsyncIterator[None]:
    task = asyncio.create_task(supervisor.run(signals=False))
    try:
        yield
    finally:
        supervisor.stop()
        await asyncio.wait_for(task, 30)


ACCEPTING = CHILD.replace(
    "stop = asyncio.Event()",
    """stop = asyncio.Event()
    async def answer(reader, writer):
        writer.write(os.environ["GREETING"].encode()); await writer.drain(); writer.close()
    await asyncio.start_server(answer, sock=parent.sockets["api"])""",
)


def test_children_inherit_listening_sockets_and_environment() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            supervisor = Supervisor(
                [spec("one", ACCEPTING, sockets={"api": listening}, env={"GREETING": "hello"})], pace=QUICK
            )
            async with running(supervisor):
                for _ in range(2):
                    reader, writer = await asyncio.open_connection(*listening.getsockname())
                    assert await asyncio.wait_for(reader.read(), 10) == b"hello"
                    writer.close()
                    pid = supervisor.pids()["one"]
                    os.kill(pid, signal.SIGKILL)
                    await until(lambda pid=pid: supervisor.pids().get("one") not in (None, pid))  # type: ignore[misc]

    asyncio.run(main())


PARENT = """
import asyncio, sys
from trunkline.runtime.supervisor import ChildSpec, Supervisor

async def main():
    supervisor = Supervisor([ChildSpec("one", (sys.executable, "-c", sys.argv[1]))])
    run = asyncio.create_task(supervisor.run())
    await supervisor.ready.wait()
    print(supervisor.pids()["one"], flush=True)
    sys.exit(await run)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_children_go_with_their_supervisor(how: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert alive(pid)
    process.send_signal(how)
    out, _ = process.communicate(timeout=30)  # ends when the child, too, has closed its standard output
    assert process.returncode == (0 if how != signal.SIGKILL else -signal.SIGKILL)
    assert out.strip() == f"drained {pid}"
    asyncio.run(until(lambda: not alive(pid)))


def test_a_second_ctrl_c_ends_at_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, STUBBORN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        pid = int(process.stdout.readline())
    # At first two at a time, as a terminal and a wrapper send them: that is one. (Two of one kind could melt into one.)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    for _ in range(20):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.3)
            break
        process.send_signal(signal.SIGINT)
    assert process.wait(5) == 1
    asyncio.run(until(lambda: not alive(pid)))

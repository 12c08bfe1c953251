"""Minutes of steady load with receipts that come 30 s later: does a message cost the same at the end as at the start?

    just bench-steady [MINUTES [RATE]]

Uses the kit that `kannel.sh` lays out in run/kit: its carrier, load and sink, and the installation of gateway.sh. One
line a minute; the first one has few receipts in it, so the last is compared with the second.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "run" / "gateway"
RECEIPT_AFTER_MS = 30_000
SENDERS = 32


def _kit() -> ModuleType:
    subprocess.run(
        [HERE / "kit" / "install.sh", "--kannel-only", HERE / "run" / "kit"], check=True, stdout=subprocess.DEVNULL
    )
    spec = importlib.util.spec_from_file_location("kit", HERE / "run" / "kit" / "tools" / "bench.py")
    assert spec is not None
    assert spec.loader is not None
    kit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kit)
    kit.SET.update(
        SETUP=f"{HERE}/gateway.sh --setup-only {FOLDER}",
        START=f"{HERE}/gateway.sh {FOLDER}",
        ENV_FILE=f"{FOLDER}/bench.env",
        FROM="12345",
        BINDS="4",
    )
    return kit


def main(minutes: int = 10, rate: int = 1000) -> None:
    kit = _kit()
    (HERE / "run").mkdir(exist_ok=True)
    tools = kit.ensure_tools(RECEIPT_AFTER_MS)
    gateway = kit.Gw("trunkline")
    try:
        kit.ctl("reset")
        kit.sink("_reset")
        gateway.start()
        count = minutes * 60 * rate
        arguments = kit.load_args(gateway, count, 0, SENDERS, rate, 1, str(HERE / "run" / "load.bin"))
        load = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        print(f"{rate} messages a second for {minutes} minutes, receipts after {RECEIPT_AFTER_MS // 1000} s")
        print("minute  submitted  callbacks  waiting  cpu s/1000  PostgreSQL  RSS MB without")
        costs = []
        before, callbacks = gateway.cpu(), 0
        for minute in range(1, minutes + 1):
            time.sleep(60)
            cpu, told, carrier = gateway.cpu(), kit.sink()["final_unique"], kit.sim()["unique"]
            used = {name: cpu.get(name, 0.0) - before.get(name, 0.0) for name in cpu}
            # The minute's load is constant; its receipts are those of 30 s ago.
            per_1000 = sum(used.values()) / (60 * rate) * 1000
            resident = sum(size for name, size in gateway.rss().items() if name != "postgres")
            waiting = carrier - told - rate * RECEIPT_AFTER_MS // 1000
            print(
                f"{minute:6} {carrier:10} {told - callbacks:10} {max(waiting, 0):8} {per_1000:11.3f}"
                f" {used.get('postgres', 0.0) / (60 * rate) * 1000:11.3f} {resident:15.0f}",
                flush=True,
            )
            costs.append(per_1000)
            before, callbacks = cpu, told
        load.wait()
        told = kit.wait_done(lambda: kit.sink()["final_unique"], count, 60)
        print(f"sent {count}, callbacks {told}; last minute / second: {costs[-1] / costs[1]:.2f}")
    finally:
        gateway.stop()
        for tool in tools:
            os.kill(tool.pid, signal.SIGTERM)
            tool.wait()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

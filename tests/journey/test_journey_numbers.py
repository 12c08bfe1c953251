"""Number ranges, imported while the sandbox runs: from the first answer to the webhook, without a restart."""

import os
import subprocess
import sys

from sandbox_rig import until

COMMAND = [sys.executable, "-c", "from trunkline.cli import main; main()", "numbers"]


def numbers(sandbox, *arguments):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    environ.pop("DATABASE_URL", None)
    folder = sandbox.folder / ".trunkline"
    return subprocess.run(
        [*COMMAND, *arguments, "--data-dir", str(folder)],
        cwd=sandbox.folder, env=environ, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip


def test_an_import_is_taken_up_by_who_accepts(sandbox):
    assert sandbox.send("+15550002233")["mccmnc"] is None
    file = sandbox.folder / "ranges.csv"
    file.write_text("prefix,mccmnc\n1555000223,310260\n")
    assert numbers(sandbox, "import", str(file)) == "1 ranges imported\n"
    assert "network  310260  T-Mobile (PR, US, VI)" in numbers(sandbox, "show", "+15550002233")
    first = until(lambda: (record := sandbox.send("+15550002233"))["mccmnc"] and record, 20)
    assert first["mccmnc"] == "310260"
    (event,) = sandbox.caught(msgId=first["msgId"], wait=30)
    assert (event["body"]["status"], event["body"]["mccmnc"]) == ("DELIVERED", "310260")

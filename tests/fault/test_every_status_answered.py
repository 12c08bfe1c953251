"""Every command_status over the wire (T18): the table's action, the raw value kept, no exception; and the pause of a
carrier that refuses our configuration, seen and ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rig.installation import Installation, installation
from rig.recording import Recording
from rig.trial import fetchval, trial, until

from trunkline.admin import carriers

CORPUS = json.loads((Path(__file__).parents[1] / "corpus" / "submit_status.json").read_text())["rows"]
IN_CORPUS = {int(row["command_status"], 16): row for row in CORPUS}
STATUSES = [*range(1, 0x500), 0x7777]
SERVICE_TYPE = 0x15


def expected(status: int) -> tuple[str, str]:
    row = IN_CORPUS.get(status, {"action": "final", "final_code": "310"})
    return row["action"], row["final_code"]


class Sending:
    """One sender whose messages are answered as it says; `number` is the next one's."""

    def __init__(self, it: Installation, client: Recording) -> None:
        self.it, self.client, self.number = it, client, 0
        self.finals = 0

    async def send(self, *statuses: int, final: bool = True) -> list[str]:
        """A message for each status, one after the other; returns their recipients once all are final."""
        recipients = [f"1555{self.number + n:07d}" for n in range(len(statuses))]
        self.number += len(statuses)
        await self.it.smsc.ask("set", statuses=dict(zip(recipients, statuses, strict=True)))
        await self.client.ask("send", count=len(statuses))
        if final:
            self.finals += len(statuses)
            await self.it.sink.wait("final", self.finals)
        return ["+" + recipient for recipient in recipients]

    async def passes(self, seconds: float) -> None:
        await fetchval(self.it.database, "UPDATE clock SET shift = shift + $1 * interval '1 second'", seconds)

    async def ended(self, recipients: list[str]) -> list[tuple[str, list[int]]]:
        """The error code, and the raw statuses, of each."""
        conn = await asyncpg.connect(self.it.database)
        try:
            rows: list[Any] = await conn.fetch(
                "SELECT m.error_code, (SELECT array_agg(a.command_status ORDER BY a.ended_at) FROM attempt a"
                " WHERE a.msg_id = m.msg_id) FROM unnest($1::text[]) WITH ORDINALITY AS r(recipient, n)"
                " JOIN msg m USING (recipient) ORDER BY n",
                recipients,
            )
        finally:
            await conn.close()
        return [(f"{code:03d}", raw or []) for code, raw in rows]


@pytest.mark.fault
@pytest.mark.timeout(300)
def test_every_status_over_the_wire(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database) as it:
            sending = Sending(it, await it.client(senders=1))
            await _final(sending)
            await _perhaps_ours(sending)
            await _other_bind(sending)
            await _retried(sending)
            await _until_validity(sending)
            events = {event["event"] for event in it.serve.events}
            assert not events & {"process.failed", "library.said", "child.died"}

    trial(main(), 250)


async def _final(sending: Sending) -> None:
    final = [status for status in STATUSES if expected(status)[0] == "final"]
    found = await sending.ended(await sending.send(*final))
    assert found == [(expected(status)[1], [status]) for status in final]


async def _perhaps_ours(sending: Sending) -> None:
    """Each alone, and an accepted one after it: the message's fault."""
    for status in STATUSES:
        action, code = expected(status)
        if action in ("final_or_pause", "without_tlvs_once"):
            tries = 1 if action == "final_or_pause" else 2
            submits = (await sending.it.smsc.ask("counts"))["submit"]
            (refused,) = await sending.send(status, final=False)
            await sending.it.smsc.wait("submit", submits + tries)
            sending.finals += 1
            await sending.send(0)
            assert await sending.ended([refused]) == [(code, [status] * tries)]


async def _other_bind(sending: Sending) -> None:
    for status in (2, 3, -3, -0x45):
        (recipient,) = await sending.send(status)
        assert await sending.ended([recipient]) == [("463", [abs(status)] * 2)]
        lines = [line for line in sending.it.smsc.lines() if line["k"] == "submit"]
        first, second = [line["link"] for line in lines if "+" + line["to"] == recipient]
        assert first != second
    ends = [line for line in sending.it.smsc.lines() if line["k"] == "end"]
    await sending.it.smsc.ask("nack", sequence=999_999, status=3)  # of nothing that we know
    assert await sending.ended(await sending.send(0)) == [("000", [])]
    assert [line for line in sending.it.smsc.lines() if line["k"] == "end"] == ends


async def _retried(sending: Sending) -> None:
    recipients = await sending.send(0x08, 0x45, 0x64, 0xFF, final=False)
    sending.finals += 4
    submits = (await sending.it.smsc.ask("counts"))["submit"]
    for wait_s, count in ((31, 3), (121, 4), (601, 3)):  # 0xFF comes again after a minute, once
        await until(sending.it.database, "SELECT count(*) FROM inflight", 0)
        await sending.passes(wait_s)
        submits += count
        await sending.it.smsc.wait("submit", submits)
    await sending.it.sink.wait("final", sending.finals)
    assert await sending.ended(recipients) == [
        ("460", [0x08] * 4), ("460", [0x45] * 4), ("460", [0x64] * 4), ("462", [0xFF] * 2)
    ]  # fmt: skip


async def _until_validity(sending: Sending) -> None:
    for statuses in ((0x04, 0x05, 0x0D, 0x0E, 0x0F, 0x53), (0x14, 0x58)):
        recipients = await sending.send(*statuses, final=False)
        sending.finals += len(statuses)
        query = "SELECT count(DISTINCT msg_id) FROM attempt WHERE command_status = ANY ('{%s}')"
        # Links that say they are not bound are bound anew, after a pause.
        await until(sending.it.database, query % ",".join(map(str, statuses)), len(statuses), within_s=90)
        await sending.passes(72 * 3600)
        await sending.it.sink.wait("final", sending.finals)
        found = await sending.ended(recipients)
        assert [code for code, _ in found] == [expected(status)[1] for status in statuses]
        assert [set(raw) - {None} for _, raw in found] == [{status} for status in statuses]


def test_a_carrier_that_refuses_our_configuration_is_paused_and_comes_back(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, smsc={"status": SERVICE_TYPE}) as it:
            client = await it.client(senders=1)
            await client.ask("send", count=8)
            alarm = await it.serve.event("carrier_paused", after=0, alarm="on", subject="smsc")
            assert (alarm["command_status"], alarm["field"]) == ("0x00000015", "service_type")
            await until(it.database, "SELECT count(*) FROM audit WHERE action = 'carrier.paused'", 1)
            await until(it.database, "SELECT count(*) FROM carrier_state WHERE paused_status = 21", 1)
            await until(it.database, "SELECT count(*) FROM inflight", 0)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status IS NOT NULL") == 0
            refused = (await it.smsc.ask("counts"))["submit"]
            await fetchval(it.database, "UPDATE clock SET shift = interval '31 seconds'")  # what went back is due again

            await retried(it)  # and it is not mended
            await it.smsc.wait("submit", refused + 1)
            await until(it.database, "SELECT count(*) FROM inflight", 0)
            await it.smsc.ask("set", status=0)
            await until(it.database, "SELECT count(*) FROM carrier_state WHERE paused_until > now() + '90 s'", 1)
            assert (await it.smsc.ask("counts"))["submit"] == refused + 1  # one was tried
            await retried(it)
            await it.serve.event("carrier_paused", after=0, alarm="off", subject="smsc")
            await until(it.database, "SELECT count(*) FROM audit WHERE action = 'carrier.resumed'", 1)
            await fetchval(it.database, "UPDATE clock SET shift = interval '2 minutes'")
            await it.sink.wait("final", 8)
            await it.settled()
            await it.verified(links=2)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == 8

    async def retried(it: Installation) -> None:
        conn = await asyncpg.connect(it.database)
        await carriers.retry(conn, "smsc", actor="test")
        await conn.close()

    trial(main())

"""The way to PostgreSQL breaks after COMMIT was sent: whoever repeats his request with its key gets one message."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

from rig.faultproxy import FaultProxy, proxied
from rig.installation import Installation, installation
from rig.trial import fetchval, sizes, trial
from test_database_cut_off import _server, _through

from trunkline.runtime import clock

KEPT = "SELECT count(*) FROM idempotency i JOIN msg m ON m.plan_id = i.plan_id AND m.msg_id = i.msg_id"


class Reply(NamedTuple):
    status: int
    replayed: bool
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Sender:
    """Sends with keys, and counts what it is answered. A text is told by its key, so rows can be counted."""

    def __init__(self, it: Installation) -> None:
        self.it = it
        self.answers: dict[str, int] = {}
        self.firsts: dict[str, bytes] = {}  # the body of a key's 202

    async def send(self, key: str, text: str | None = None) -> Reply:
        told = self.it.serve.told
        fields = {
            "servicePlanId": told["plan"], "channel": "SMS", "from": "12345", "to": "+15550002222", "body": text or key,
        }  # fmt: skip
        body = json.dumps(fields).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.it.port)
        try:
            head = [
                "POST /v1/sendsms HTTP/1.1", "Host: a", "Connection: close", f"Authorization: Bearer {told['token']}",
                "Content-Type: application/json", f"Content-Length: {len(body)}", f"Idempotency-Key: {key}", "", "",
            ]  # fmt: skip
            writer.write("\r\n".join(head).encode() + body)
            first, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        reply = Reply(int(first.split(b" ", 2)[1]), b"idempotent-replayed: true" in first, answer)
        name = "replay" if reply.replayed else reply.json.get("code", str(reply.status))
        self.answers[name] = self.answers.get(name, 0) + 1
        if reply.status == 202:
            assert self.firsts.setdefault(key, reply.body) == reply.body
        return reply

    async def insist(self, key: str) -> Reply:
        """Sends until it is accepted: what a client has the key for."""
        while (reply := await self.send(key)).status != 202:
            assert reply.json["code"] in ("unavailable", "outcome_unknown", "idempotency_key_in_use")
            await clock.sleep(0.02)
        return reply

    async def reuse(self, key: str) -> None:
        """Sends something else with a key that was accepted."""
        while (reply := await self.send(key, "another text")).status == 503:
            await clock.sleep(0.02)
        assert (reply.status, reply.json["code"]) == (422, "idempotency_key_reused")

    async def rows(self, key: str) -> int:
        return int(await fetchval(self.it.database, "SELECT count(*) FROM msg WHERE body = $1", key))


async def cut_after_commit(proxy: FaultProxy, sender: Sender, key: str) -> Reply:
    """The commit is made and its answer lost: the look-up finds the message."""
    lost = proxy.lose_answer(b"trunkline accept\0", 1)
    reply = await sender.send(key)
    await asyncio.wait_for(lost, 20)
    return reply


async def cut_and_blocked(proxy: FaultProxy, sender: Sender, key: str) -> Reply:
    """The commit is made, its answer lost, and the way stays blocked for as long as the look-up has patience."""
    lost = proxy.lose_answer(b"trunkline accept\0", 1)
    sending = asyncio.create_task(sender.send(key))
    await asyncio.wait_for(lost, 20)
    proxy.stall()
    reply = await sending
    proxy.flow()
    return reply


async def cut_before(proxy: FaultProxy, sender: Sender, key: str) -> Reply:
    """What is sent next does not arrive: nothing is stored."""
    proxy.reset_after = proxy.passed + 1
    return await sender.send(key)


def test_each_way_to_lose_an_answer(folder: Path, database: str) -> None:
    async def main() -> None:
        async with proxied(_server(database)) as proxy, installation(folder, _through(database, proxy.port)) as it:
            it.database = database
            sender = Sender(it)
            await sender.insist("warm")
            # Committed, and found: the first answer as if nothing had happened.
            reply = await cut_after_commit(proxy, sender, "lost")
            assert (reply.status, reply.replayed, await sender.rows("lost")) == (202, False, 1)
            assert (await sender.send("lost")).replayed
            # Committed, and not to be found: not known, then the first answer.
            reply = await cut_and_blocked(proxy, sender, "unknown")
            assert (reply.status, reply.json["code"], await sender.rows("unknown")) == (503, "outcome_unknown", 1)
            assert (await sender.insist("unknown")).replayed
            assert json.loads(sender.firsts["unknown"])["msgId"] == reply.json["msgId"]
            # Not committed: free again.
            await sender.insist("warm-again")
            reply = await cut_before(proxy, sender, "before")
            assert (reply.status, await sender.rows("before")) in (
                (503, 0),
                (202, 1),
            )  # 202: another connection was cut
            await sender.insist("before")
            for key in ("lost", "unknown", "before"):
                await sender.reuse(key)
                assert await sender.rows(key) == 1
            assert await fetchval(database, "SELECT count(*) FROM msg") == await fetchval(database, KEPT) == 5

    trial(main())


@sizes(10, 500, 90)
def test_one_message_a_key(size: int, folder: Path, database: str) -> None:
    """Cut again and again, two requests a key at once, to two processes that know nothing of each other."""

    async def main() -> None:
        async with (
            proxied(_server(database)) as proxy,
            installation(folder, _through(database, proxy.port), processes={"api": 2}) as it,
        ):
            it.database = database
            sender = Sender(it)
            for number in range(size):
                keys = [f"k{number}-{n}" for n in range(3)]
                if number % 3:
                    proxy.lose_answer(b"trunkline accept\0", random.randint(1, 3))
                else:
                    proxy.reset_after = proxy.passed + random.randint(1, 6000)
                # A client may give up and ask again before the first is answered.
                first = await asyncio.gather(*(sender.send(key) for key in [*keys, *keys]))
                assert {reply.status for reply in first} <= {202, 409, 503}
                for key in keys:
                    await sender.insist(key)
                await sender.reuse(keys[0])
            proxy.reset_after = None
            await it.settled(60)
            assert await fetchval(database, "SELECT count(*) FROM msg") == await fetchval(database, KEPT) == 3 * size
            assert await fetchval(database, "SELECT count(DISTINCT body) FROM msg") == 3 * size
            assert (await it.smsc.ask("counts"))["submit"] == 3 * size
            print(sender.answers)

    trial(main(), 60 + size)

"""Links as a carrier's set-up file has them: pairs, other hosts, certificates; from the file to the bind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pem_files
import pytest
from smpp_ends import CALM, MESSAGE, RECEIPT, Smsc, run

from trunkline.admin import declared
from trunkline.admin.declared import Mistaken, Surroundings
from trunkline.carriers import link as links
from trunkline.carriers.pool import Pool
from trunkline.domain.callback import Policy
from trunkline.domain.provisioning import Carrier, Link
from trunkline.smpp.smsc import Server, serve
from trunkline.smpp.tls import server_context
from trunkline.store import provisioning

KEY = bytes(range(32))


class Owner:
    """Notes what the links tell."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.changed = asyncio.Event()

    def _note(self, *what: str) -> None:
        self.told.append(what)
        self.changed.set()

    def submit_answered(self, link: Any, token: Any, status: int, message_id: str, *, late: bool, nacked: bool) -> None:
        self._note("answered", link.name)

    def delivered(self, link: Any, session: Any, pdu: Any) -> None:
        session.answer(pdu, 0)
        self._note("delivered", link.name)

    def room_changed(self) -> None:
        self._note("bound")

    def submit_unanswered(self, link: Any, token: Any) -> None: ...
    def submit_lost(self, link: Any, tokens: Any) -> None: ...
    def submit_not_sent(self, link: Any, tokens: Any) -> None: ...
    def undecodable(self, *what: Any) -> None: ...
    def ended(self, session: Any) -> None: ...

    async def until(self, what: str, count: int = 1) -> list[tuple[str, ...]]:
        async with asyncio.timeout(10):
            while len(found := [told for told in self.told if told[0] == what]) < count:
                self.changed.clear()
                await self.changed.wait()
        return found


def spec(port: int, **fields: Any) -> Link:
    given: dict[str, Any] = {
        "link_id": 1, "carrier_id": 1, "name": "l", "host": "127.0.0.1", "port": port, "system_id": "us",
        "password": "pw", "system_type": "", "bind_mode": "transceiver", "bind_count": 1, "send_window": 10,
        "tls": False, "timers": {}, **fields,
    }  # fmt: skip
    return Link(**given)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links try again without a pause."""
    monkeypatch.setattr(links, "reconnect_delay_s", lambda attempt, random: 0.01)


def pooled(
    make: Callable[[int], Link], test: Callable[[Pool, Owner, list[Smsc]], Awaitable[None]], tls: Any = None
) -> None:
    """Runs `test` with the links that `make` says of the SMSC's port."""

    async def main() -> None:
        ends: list[Smsc] = []

        def end() -> Smsc:
            ends.append(Smsc())
            return ends[-1]

        server: Server = await serve("127.0.0.1", 0, end, timers=CALM, tls=tls)
        owner = Owner()
        pool = Pool(Carrier(1, "c", True, {}, (make(server.port),)), owner)
        running = asyncio.create_task(pool.run())
        try:
            await test(pool, owner, ends)
        finally:
            await pool.drain(1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await server.close()

    run(main)


def test_a_pair_is_a_transmitter_and_a_receiver() -> None:
    async def test(pool: Pool, owner: Owner, ends: list[Smsc]) -> None:
        await owner.until("bound", 4)
        kinds = sorted(type(end.of("bind")[0][0]).__name__ for end in ends)
        assert kinds == ["BindReceiver"] * 2 + ["BindTransmitter"] * 2
        assert {link.name for link in pool.links} == {
            "l/1 transmitter", "l/1 receiver", "l/2 transmitter", "l/2 receiver",
        }  # fmt: skip
        assert pool.free == 20
        for n in range(20):
            assert pool.submit(MESSAGE, n) is not None
        answered = await owner.until("answered", 20)
        assert {name for _, name in answered} == {"l/1 transmitter", "l/2 transmitter"}
        for end in ends:
            if type(end.of("bind")[0][0]).__name__ == "BindReceiver":
                end.session.deliver(RECEIPT, 1)
        assert {name for _, name in await owner.until("delivered", 2)} == {"l/1 receiver", "l/2 receiver"}

    pooled(lambda port: spec(port, bind_mode="pair", bind_count=2), test)


def test_a_receiver_alone_is_no_way_out() -> None:
    async def test(pool: Pool, owner: Owner, ends: list[Smsc]) -> None:
        await owner.until("bound")
        assert not pool.up
        assert pool.submit(MESSAGE, 1) is None

    pooled(lambda port: spec(port, bind_mode="receiver"), test)


def test_another_host_where_the_first_does_not_answer() -> None:
    async def test(pool: Pool, owner: Owner, ends: list[Smsc]) -> None:
        await owner.until("bound")
        assert pool.up
        # And back from there, when that one goes.
        pool.links[0].recycle()
        await owner.until("bound", 2)

    pooled(lambda port: spec(1, other_hosts=("127.0.0.2:1", f"127.0.0.1:{port}")), test)


@pytest.mark.parametrize(
    ("written", "place"),
    [("b", ("b", 2775)), ("b:2776", ("b", 2776)), ("[::1]", ("::1", 2775)), ("[::1]:9", ("::1", 9))],
)
def test_a_host_with_or_without_its_port(written: str, place: tuple[str, int]) -> None:
    assert links._place(written, 2775) == place


# From the set-up file.

FILE = """
[[carrier]]
name = "north"
dialect = { preset = "hex_to_dec", response_id_form = "str_nocase" }
err_table_file = "err.csv"

  [[carrier.link]]
  name = "a"
  host = "127.0.0.1"
  other_hosts = ["192.0.2.1:2776", "[2001:db8::1]"]
  system_id = "us"
  password_env = "PW"
  bind = "pair"
  tls = true
  tls_ca_file = "ca.pem"
  tls_server_name = "elsewhere"
  tls_certificate_file = "client.pem"
  tls_key_file = "client.key"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "err.csv").write_text("err,code,note\n21b,203,spam\n\n021,106\n")
    return pem_files.certificates(tmp_path)


async def applied(dsn: str, text: str, folder: Path) -> tuple[set[str], Carrier]:
    """What became of the things in the file, and the carrier as processes have it then."""
    conn = await asyncpg.connect(dsn)
    try:
        around = Surroundings(KEY, Policy(), {"PW": "pw"}, folder, "test")
        outcome = await declared.apply(conn, declared.read(text, "f"), around)
        picture = await provisioning.load(conn, KEY)
        shown = "".join(str(row) for row in await conn.fetch("SELECT detail FROM audit"))
        assert "PRIVATE KEY" not in shown + repr(picture)
        stored = await conn.fetchval("SELECT tls_identity FROM link")
        assert stored is None or b"PRIVATE" not in stored
    finally:
        await conn.close()
    (carrier,) = picture.carriers.values()
    return {change.what for change in outcome.changes}, carrier


def test_from_the_file_to_the_bind(database: str, folder: Path) -> None:
    async def look() -> Carrier:
        created, _ = await applied(database, FILE, folder)
        again, carrier = await applied(database, FILE, folder)
        assert (created, again) == ({"created"}, {"unchanged"})
        changed, _ = await applied(database, FILE.replace("client.", "stranger."), folder)
        assert changed == {"unchanged", "changed"}
        return carrier

    carrier = asyncio.run(look())
    assert carrier.dialect == {
        "preset": "hex_to_dec", "response_id_form": "str_nocase", "err_profile": "table",
        "err_table": {"21b": "203", "021": "106"},
    }  # fmt: skip
    (link,) = carrier.links
    assert link.other_hosts == ("192.0.2.1:2776", "[2001:db8::1]")

    async def test(pool: Pool, owner: Owner, ends: list[Smsc]) -> None:
        await owner.until("bound", 2)

    tls = server_context(folder / "elsewhere.pem", folder / "elsewhere.key", client_ca=folder / "ca.pem")
    fields = {name: getattr(link, name) for name in ("tls", "tls_ca", "tls_identity", "tls_server_name", "bind_mode")}
    pooled(lambda port: spec(port, **fields), test, tls)


def test_tls_is_never_plain(folder: Path) -> None:
    """A link with `tls` and no files trusts the system's authorities, and does not speak to others."""

    async def main() -> None:
        smsc = Smsc()
        server = await serve("127.0.0.1", 0, lambda: smsc, timers=CALM)
        owner = Owner()
        link = links.Link(spec(server.port, tls=True), 1, owner, "transceiver")
        with pytest.raises(links.SmppError):
            await link._connect()
        assert smsc.of("bind") == []
        await server.close()

    run(main)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('"ca.pem"', '"no-such.pem"', "cannot read no-such.pem: No such file or directory"),
        ('"ca.pem"', '"err.csv"', "tls_ca_file cannot be used:"),
        ('"client.key"', '"stranger.key"', "tls_certificate_file cannot be used: key values mismatch"),
        ('tls_certificate_file = "client.pem"', "", "tls_key_file goes with tls_certificate_file"),
        ("tls = true", "tls = false", "tls_ca_file is for a link with tls = true"),
        ('"err.csv"', '"no-such.csv"', "cannot read no-such.csv"),
        ('"err.csv"', '"bad.csv"', "bad.csv, line 2: dialect.err_table.7: '1' is not a delivery code"),
        ("dialect = {", 'dialect = { err_table = { 1 = "101" },', "there is an err_table_file as well"),
        ("dialect = {", 'dialect = { err_profile = "gsm_map",', 'goes with err_profile = "table"'),
        ('"[2001:db8::1]"', '"a b"', "other_hosts must be a list of hosts"),
    ],
)
def test_mistakes_are_named(database: str, folder: Path, before: str, after: str, says: str) -> None:
    (folder / "bad.csv").write_text("err,code\n7,1\n")
    assert before in FILE
    with pytest.raises(Mistaken) as caught:
        asyncio.run(applied(database, FILE.replace(before, after), folder))
    (line,) = caught.value.lines
    assert says in line

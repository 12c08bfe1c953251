"""Declared set-up on a real database: created, changed, unchanged; all mistakes at once and then nothing done."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from trunkline.admin import declared
from trunkline.admin.declared import Mistaken, Outcome, Surroundings
from trunkline.domain.callback import Policy
from trunkline.domain.consent import Consent, Does, Scope
from trunkline.domain.provisioning import Keyword, Provisioning
from trunkline.domain.quiet import QuietHours
from trunkline.store import audit, db, provisioning
from trunkline.store.db import Connection

KEY = bytes(range(32))
PLAN_ID = "0123456789abcdef01234567"

WHOLE = f"""\
[[account]]
name = "acme"
dlr_url = "https://acme.example.com/dlr"

[[plan]]
name = "otp"
account = "acme"
id = "{PLAN_ID.upper()}"
submit = "at_least_once"
countries = ["NL", "BE"]

[[plan]]
name = "news"
account = "acme"
mo_url = "https://acme.example.com/mo"
priority = -1
transliterate = "gsm7"
max_segments = 4
traffic = "marketing"
quiet_hours = "21:00-08:00"
opt_out = "plan"
stop_reply = ""
help_reply = "Acme, call 12345"

[[sender]]
plan = "otp"
address = "+31970102"

[[sender]]
plan = "acme/news"
address = "12345"
state = "pending"

[[carrier]]
name = "north"
dialect = {{ response_id_form = "hex", mcc_tlv = "0x1403" }}

  [[carrier.link]]
  name = "a"
  host = "smsc.example.com"
  system_id = "acme"
  password_env = "NORTH_PASSWORD"
  window = 50
  timers = {{ enquire_link_s = 15 }}

  [[carrier.link]]
  name = "b"
  host = "smsc.example.com"
  port = 3550
  system_id = "acme"
  password_file = "north.password"
  bind = "receiver"
  tls = true

[[route]]
name = "default"
carrier = "north"

[[route]]
name = "otp-nl"
carrier = "north"
plan = "{PLAN_ID}"
countries = ["NL"]
priority = 10

[[keyword]]
plan = "news"
word = "Météo"
address = "12345"
reply = "Sunny"

[[keyword]]
plan = "news"
word = "FINI"
does = "stop"
"""


def around(folder: Path, **more: object) -> Surroundings:
    fields = {
        "secret_key": KEY,
        "policy": Policy(),
        "environ": {"NORTH_PASSWORD": "s3cret"},
        "folder": folder,
        "actor": "test",
    }
    return Surroundings(**{**fields, **more})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "north.password").write_text("pass word\n")
    return tmp_path


def connected(dsn: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        conn = await db.connect(dsn, name="test")
        try:
            await work(conn)
        finally:
            await conn.close()

    asyncio.run(main())


async def apply(conn: Connection, text: str, where: Surroundings) -> Outcome:
    return await declared.apply(conn, declared.read(text, "set-up.toml"), where)


def whats(outcome: Outcome) -> dict[str, str]:
    return {f"{change.kind} {change.title}".split(" (")[0]: change.what for change in outcome.changes}


def test_everything_is_created(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        outcome = await apply(conn, WHOLE, around(folder))
        assert set(whats(outcome).values()) == {"created"}
        assert len(outcome.changes) == 12
        picture = await provisioning.load(conn, KEY)
        check_picture(picture)
        plan = picture.plans_by_public_id[PLAN_ID]
        secret = outcome.secrets[PLAN_ID]
        assert secret.startswith("whsec_")
        assert plan.hook_secrets == (base64.b64decode(secret.removeprefix("whsec_")),)
        (entry,) = await audit.entries(conn, f"plan otp ({PLAN_ID})")
        assert (entry.actor, entry.action) == ("test", "plan.created")
        assert entry.detail["at_least_once"] is True
        everything = "".join(str(row) for row in await conn.fetch("SELECT detail FROM audit"))
        for forbidden in ("s3cret", "pass word", secret):
            assert forbidden not in everything

    connected(database, work)


def check_picture(picture: Provisioning) -> None:
    (account,) = picture.accounts.values()
    otp = picture.plans_by_public_id[PLAN_ID]
    news = next(plan for plan in picture.plans.values() if plan.name == "news")
    assert account.dlr_url == "https://acme.example.com/dlr"
    assert otp.consent == Consent()
    assert news.consent == Consent(
        True, Scope.PLAN, QuietHours.read("21:00-08:00"), {Does.STOP: "", Does.HELP: "Acme, call 12345"}
    )
    assert picture.keywords == {
        ("12345", "meteo"): Keyword(news.plan_id, Does.REPLY, "Sunny"),
        (news.plan_id, "fini"): Keyword(news.plan_id, Does.STOP, None),
    }
    assert picture.plans_of_address == {"+31970102": (otp.plan_id,), "12345": (news.plan_id,)}
    assert (otp.at_least_once, otp.resolve_after_s, otp.countries) == (True, 20, {"NL", "BE"})
    assert (news.at_least_once, news.resolve_after_s, news.countries) == (False, 600, None)
    assert (otp.transliterate, otp.max_segments, news.transliterate, news.max_segments) == (False, None, True, 4)
    assert otp.account_public_id == account.public_id
    assert picture.senders == {(otp.plan_id, "+31970102"): "approved", (news.plan_id, "12345"): "pending"}
    assert picture.plan_of_destination == {"+31970102": otp.plan_id}
    (carrier,) = picture.carriers.values()
    assert carrier.dialect == {"response_id_form": "hex", "mcc_tlv": "0x1403"}
    a, b = carrier.links
    assert (a.password, a.send_window, a.timers, a.port, a.tls) == ("s3cret", 50, {"enquire_link_s": 15.0}, 2775, False)
    assert (b.password, b.bind_mode, b.port, b.tls) == ("pass word", "receiver", 3550, True)
    assert "s3cret" not in repr(picture)
    assert [(route.name, route.plan_id, route.countries) for route in picture.routes] == [
        ("otp-nl", otp.plan_id, ("NL",)),
        ("default", None, None),
    ]


def test_a_second_time_changes_nothing(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE, around(folder))
        version, rows = await conn.fetchrow(
            "SELECT provisioning_version, (SELECT count(*) FROM audit) FROM installation"
        )
        outcome = await apply(conn, WHOLE, around(folder))
        assert set(whats(outcome).values()) == {"unchanged"}
        assert outcome.secrets == {}
        again = await conn.fetchrow("SELECT provisioning_version, (SELECT count(*) FROM audit) FROM installation")
        assert tuple(again) == (version, rows)

    connected(database, work)


def test_what_differs_is_changed_and_named(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE, around(folder))
        secrets = (await provisioning.load(conn, KEY)).plans_by_public_id[PLAN_ID].hook_secrets
        other = WHOLE.replace('countries = ["NL", "BE"]\n', "").replace("window = 50", "window = 60")
        environ = {"NORTH_PASSWORD": "new"}
        outcome = await apply(conn, other, around(folder, environ=environ))
        changed = {change.title.split(" (")[0]: change.fields for change in outcome.changes if change.what == "changed"}
        assert changed == {"otp": ("countries",), "north/a": ("password", "send_window")}
        picture = await provisioning.load(conn, KEY)
        assert picture.plans_by_public_id[PLAN_ID].countries is None
        assert picture.plans_by_public_id[PLAN_ID].hook_secrets == secrets
        assert next(iter(picture.carriers.values())).links[0].password == "new"

    connected(database, work)


def test_a_link_that_is_not_named_any_more_is_retired(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE, around(folder))
        start = WHOLE.index('  [[carrier.link]]\n  name = "b"')
        without = WHOLE[:start] + WHOLE[WHOLE.index("[[route]]") :]
        outcome = await apply(conn, without, around(folder))
        assert whats(outcome)["link north/b"] == "changed"
        assert [link.name for link in next(iter((await provisioning.load(conn, KEY)).carriers.values())).links] == ["a"]
        assert whats(await apply(conn, without, around(folder)))["link north/a"] == "unchanged"
        assert whats(await apply(conn, WHOLE, around(folder)))["link north/b"] == "changed"

    connected(database, work)


def test_what_an_operator_switched_off_stays_off(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE, around(folder))
        for table in ("account", "plan", "carrier", "route"):
            await conn.execute(f"UPDATE {table} SET active = false")
        outcome = await apply(conn, WHOLE, around(folder))
        assert set(whats(outcome).values()) == {"unchanged"}
        picture = await provisioning.load(conn, KEY)
        assert list(picture.routes) == []
        assert not any(plan.active for plan in picture.plans.values())
        on = WHOLE.replace('name = "acme"\n', 'name = "acme"\nactive = true\n', 1)
        assert whats(await apply(conn, on, around(folder)))["account acme"] == "changed"

    connected(database, work)


MISTAKEN = """\
[[account]]
name = "acme"
dlr_url = "http://acme.example.com/dlr"
nmae = "x"

[[plan]]
name = "otp"
account = "acmee"
validity_s = 59

[[plan]]
name = "news"
account = "old"
mo_url = "https://10.0.0.1/mo"
countries = ["NL", "UK"]

[[sender]]
plan = "otpp"
address = "under_score"

[[sender]]
plan = "news"
address = "12345"

[[carrier]]
name = "north"
dialect = { response_id_form = "octal" }

  [[carrier.link]]
  name = "a"
  host = "h"
  system_id = "acme"
  password_env = "NO_SUCH"
  timers = { enquire_link = 1 }

[[carrier]]
name = "south"
  [[carrier.link]]
  name = "a"
  host = "h"
  system_id = "acme"
  password_env = "NO_SUCH"
  [[carrier.link]]
  name = "b"
  host = "h"
  system_id = "acme"
  password_file = "no-such"

[[route]]
name = "default"
carrier = "nort"

[[route]]
name = "default"
carrier = "old"

[[rout]]
name = "x"
"""

EXPECTED = [
    "3: dlr_url must be an https URL",
    "4: account has no key nmae; did you mean name?",
    "8: there is no account acmee; did you mean acme?",
    "9: validity_s must be a whole number from 60 to 259200",
    "14: mo_url must be an https URL",
    "15: countries must be a list of countries by ISO 3166-1 alpha-2 code, such as NL; UK is none",
    "18: there is no plan otpp; did you mean otp?",
    "19: address must be a short code",
    "27: dialect.response_id_form: 'octal' is not one of str, str_nocase, dec, hex",
    "33: the environment has no NO_SUCH",
    "34: timers has no key enquire_link",
    "42: the environment has no NO_SUCH",
    "47: cannot read no-such: No such file or directory",
    "51: there is no carrier nort; did you mean north?",
    "53: this route is in the file already, on line 49",
    "57: there is no section rout; did you mean route?",
]


def test_every_mistake_is_named_at_once_and_nothing_is_done(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, '[[account]]\nname = "old"\n[[carrier]]\nname = "old"\n', around(folder))
        before = await conn.fetchrow("SELECT provisioning_version, (SELECT count(*) FROM audit) FROM installation")
        with pytest.raises(Mistaken) as caught:
            await apply(conn, MISTAKEN, around(folder))
        found = [line.removeprefix("set-up.toml:") for line in caught.value.lines]
        for line, start in zip(found, EXPECTED, strict=False):
            assert line.startswith(start)
        assert len(found) == len(EXPECTED)
        after = await conn.fetchrow("SELECT provisioning_version, (SELECT count(*) FROM audit) FROM installation")
        assert tuple(after) == tuple(before)

    connected(database, work)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[account]]\nname = "acme"\nid = "ffffffffffffffffffffffff"', "3: account acme exists with the id "),
        (
            '[[plan]]\nname = "otp"\naccount = "acme"\nid = "ffffffffffffffffffffffff"',
            f"4: plan otp exists with the id {PLAN_ID}",
        ),
        (
            f'[[account]]\nname = "b"\n[[plan]]\nname = "otp"\naccount = "b"\nid = "{PLAN_ID}"',
            f"5: plan {PLAN_ID} belongs to another account, and plans do not move",
        ),
        (
            '[[account]]\nname = "b"\n[[plan]]\nname = "otp"\naccount = "b"\n[[sender]]\nplan = "otp"\naddress = "123"',
            "7: more than one plan is called otp: give its id",
        ),
        ('[[sender]]\nplan = "acme/otpp"\naddress = "12345"', "2: there is no plan acme/otpp"),
        (
            '[[keyword]]\nplan = "otp"\nword = "meteo"\naddress = "+31970102"\nreply = "x"\n'
            '[[sender]]\nplan = "otp"\naddress = "12345"\n[[keyword]]\nplan = "otp"\nword = "METEO"\naddress = "12345"',
            "11: meteo at 12345 is a keyword of plan news",
        ),
        ('[[keyword]]\nplan = "otp"\nword = "x"\naddress = "12345"', "4: plan otp has no sender 12345"),
        ('[[keyword]]\nplan = "otp"\nword = "two words"', "3: word must be one word of letters and digits"),
        ('[[keyword]]\nplan = "otp"\nword = "Arrêt"\ndoes = "help"', "4: ARRET means STOP everywhere"),
        ('[[keyword]]\nplan = "otp"\nword = "x"\nreply = "\\u0000"', "4: reply must be a text"),
        (f'[[plan]]\nname = "otp"\naccount = "acme"\nid = "{PLAN_ID}"\nquiet_hours = "21-8"', "5: quiet_hours must be"),
        (
            f'[[plan]]\nname = "otp"\naccount = "acme"\nid = "{PLAN_ID}"\nquiet_hours = "21:00-08:00"',
            "5: quiet_hours has no effect without",
        ),
        (
            f'[[plan]]\nname = "otp"\naccount = "acme"\nid = "{PLAN_ID}"\ntraffic = "marketing"\nopt_out = "off"',
            '6: opt_out = "off" is for transactional traffic',
        ),
        ("account = 1", "1: account has to be written as [[account]]"),
        ("[account]", "1: account has to be written as [[account]]"),
    ],
)
def test_what_cannot_be_is_refused(database: str, folder: Path, text: str, says: str) -> None:
    async def work(conn: Connection) -> None:
        await apply(conn, WHOLE, around(folder))
        with pytest.raises(Mistaken) as caught:
            await apply(conn, text, around(folder))
        (line,) = caught.value.lines
        assert line.startswith(f"set-up.toml:{says}")

    connected(database, work)


def test_the_policy_of_the_installation_decides_about_urls(database: str, folder: Path) -> None:
    async def work(conn: Connection) -> None:
        text = '[[account]]\nname = "acme"\ndlr_url = "http://127.0.0.1:4000/dlr"\n'
        loopback = Policy(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))
        await apply(conn, text, around(folder, policy=loopback))
        with pytest.raises(Mistaken):
            await apply(conn, text, around(folder))

    connected(database, work)


def test_two_applications_wait_for_each_other(database: str, folder: Path) -> None:
    async def main() -> None:
        connections = [await db.connect(database, name="test") for _ in range(4)]
        try:
            outcomes = await asyncio.gather(*(apply(conn, WHOLE, around(folder)) for conn in connections))
        finally:
            for conn in connections:
                await conn.close()
        created = [outcome for outcome in outcomes if set(whats(outcome).values()) == {"created"}]
        unchanged = [outcome for outcome in outcomes if set(whats(outcome).values()) == {"unchanged"}]
        assert (len(created), len(unchanged)) == (1, 3)

    asyncio.run(main())

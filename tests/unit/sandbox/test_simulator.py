"""The simulated SMSC, over loopback with our own ESME: answers, receipts told again, cuts, MO, the journal."""

import asyncio
import json

import pytest

from trunkline.carriers import receipt as receipts
from trunkline.sandbox.behaviour import Cut, Reaction, Receipt, Reply
from trunkline.sandbox.simulator import Journal, Simulator
from trunkline.smpp import pdu as p
from trunkline.smpp import status as s
from trunkline.smpp.errors import BindRefused
from trunkline.smpp.esme import EsmeHandler, connect
from trunkline.smpp.timers import Timers

MESSAGE = p.SubmitSm(
    source_addr="15550001111",
    source_addr_ton=1,
    destination_addr="15550002222",
    dest_addr_ton=1,
    registered_delivery=1,
    short_message=b"hello",
)


class Esme(EsmeHandler):
    """Notes what it is told; `statuses` are its answers to deliver_sm in turn, ROK after the last (None: no answer)."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.events = []
        self._changed = asyncio.Event()

    def note(self, *event):
        self.events.append(event)
        self._changed.set()

    async def until(self, *kinds):
        """The events so far, once there is one for each of `kinds`."""
        async with asyncio.timeout(10):
            while any(len(of(self.events, kind)) < kinds.count(kind) for kind in kinds):
                self._changed.clear()
                await self._changed.wait()
        return self.events

    def submit_answered(self, token, command_status, message_id, late):
        self.note("answered", command_status, message_id)

    def submit_unanswered(self, token):
        self.note("unanswered")

    def submit_lost(self, tokens):
        self.note("lost")

    def delivered(self, session, pdu):
        status = self.statuses.pop(0) if self.statuses else s.ESME_ROK
        self.note("delivered", pdu)
        if status is not None:
            session.answer(pdu, status)

    def closed(self, reason):
        self.note("closed")


def simulated(test, *reactions, **settings):
    """Runs `test(simulator, bind)`; `reactions` are those to submit_sm in turn, the last one to all that follow."""
    left = list(reactions)

    def behave(submit):
        return left.pop(0) if len(left) > 1 else left[0]

    async def main():
        simulator = Simulator(behave, again_s=0.01, **settings)
        await simulator.start()
        sessions = []

        async def bind(esme, kind=p.BindTransceiver, **more):
            session = await connect("127.0.0.1", simulator.port, kind(system_id="esme"), esme, **more)
            sessions.append(session)
            return session

        try:
            await test(simulator, bind)
        finally:
            for session in sessions:
                session.abort()
            await simulator.stop(unbind=False)

    asyncio.run(main())


def of(events, kind):
    return [event[1:] for event in events if event[0] == kind]


def test_an_accepted_message_gets_an_id_and_a_receipt_for_it():
    async def test(simulator, bind):
        esme = Esme()
        (await bind(esme)).submit(MESSAGE, 1)
        events = await esme.until("answered", "delivered")
        ((status, message_id),) = of(events, "answered")
        assert status == s.ESME_ROK
        ((pdu,),) = of(events, "delivered")
        assert (pdu.source_addr, pdu.destination_addr) == ("15550002222", "15550001111")
        read = receipts.parse(pdu.esm_class, pdu.short_message, pdu.tlvs)
        assert receipts.kind_of(pdu.esm_class, pdu.short_message) is receipts.Kind.RECEIPT
        assert (read.message_id, read.text_id, read.stat, read.state) == (message_id, message_id, "UNDELIV", 5)
        assert (read.err, read.mismatch) == ("027", False)

    simulated(test, Reaction(receipts=(Receipt("UNDELIV", "027", after_s=0.01),)))


def test_ids_are_never_given_twice():
    async def test(simulator, bind):
        esme = Esme()
        session = await bind(esme)
        for token in range(5):
            session.submit(MESSAGE, token)
        ids = [message_id for _, message_id in of(await esme.until(*["answered"] * 5), "answered")]
        assert len(set(ids)) == 5

    simulated(test, Reaction())


def test_a_receipt_may_come_before_the_answer_and_spell_the_id_its_own_way():
    async def test(simulator, bind):
        esme = Esme()
        (await bind(esme)).submit(MESSAGE, 1)
        events = await esme.until("answered", "delivered")
        assert [kind for kind, *_ in events] == ["delivered", "answered"]
        assert of(events, "answered") == [(s.ESME_ROK, "255")]
        assert of(events, "delivered")[0][0].short_message.startswith(b"id:FF ")
        assert of(events, "delivered")[0][0].tlvs == ()

    early = Receipt(after_s=0.0, spell_id=lambda spelled: f"{int(spelled):X}", with_tlvs=False)
    simulated(test, Reaction(after_s=0.05, message_id="255", receipts=(early,)))


def test_a_refusal_has_no_id_and_no_receipt_unless_told():
    async def test(simulator, bind):
        esme = Esme()
        session = await bind(esme)
        session.submit(MESSAGE, 1)
        session.submit(MESSAGE, 2)
        events = await esme.until("answered", "answered", "delivered")
        assert sorted(of(events, "answered"))[-1] == (s.ESME_RTHROTTLED, "")
        assert len(of(events, "delivered")) == 1

    simulated(test, Reaction(status=s.ESME_RTHROTTLED), Reaction(receipts=(Receipt(after_s=0.0),)))


@pytest.mark.parametrize(("registered_delivery", "stats"), [(0, []), (1, ["DELIVRD", "UNDELIV"]), (2, ["UNDELIV"])])
def test_only_receipts_that_were_asked_for_are_sent(registered_delivery, stats):
    async def test(simulator, bind):
        esme = Esme()
        session = await bind(esme)
        session.submit(p.SubmitSm(destination_addr="1", registered_delivery=registered_delivery), 1)
        # What was to come is there once what was asked for later is.
        session.submit(MESSAGE, 2)
        events = await esme.until("answered", "answered", *["delivered"] * (len(stats) + 1))
        found = [receipts.parse(4, pdu.short_message).stat for (pdu,) in of(events, "delivered")]
        assert found == [*stats, "REJECTD"]

    both = (Receipt("DELIVRD", after_s=0.0), Receipt("UNDELIV", after_s=0.0))
    simulated(test, Reaction(receipts=both), Reaction(receipts=(Receipt("REJECTD", after_s=0.02),)))


def test_a_receipt_is_told_again_until_it_is_taken():
    async def test(simulator, bind):
        esme = Esme(s.ESME_RX_T_APPN, s.ESME_RSYSERR)
        (await bind(esme)).submit(MESSAGE, 1)
        delivered = of(await esme.until(*["delivered"] * 3), "delivered")
        assert len({pdu.short_message for (pdu,) in delivered}) == 1
        assert [event["status"] for event in notes if event["event"] == "receipt"][:2] == [0x64, 0x08]

    notes = []
    simulated(test, Reaction(receipts=(Receipt(after_s=0.0),)), note=notes.append)


def test_a_receipt_that_was_refused_for_good_is_not_told_again():
    async def test(simulator, bind):
        esme = Esme(s.ESME_RX_R_APPN)
        session = await bind(esme)
        session.submit(MESSAGE, 1)
        await esme.until("delivered")
        assert await simulator.say("+15550002222", "12345", "after")
        assert len([event for event in notes if event["event"] == "receipt"]) == 1

    notes = []
    simulated(test, Reaction(receipts=(Receipt(after_s=0.0),)), note=notes.append)


def test_an_unanswered_receipt_goes_to_another_bind_once_its_link_is_lost():
    async def test(simulator, bind):
        first, second = Esme(None), Esme()
        session = await bind(first)
        session.submit(MESSAGE, 1)
        ((lost,),) = of(await first.until("answered", "delivered"), "delivered")
        session.abort(reset=True)
        await bind(second)
        ((told,),) = of(await second.until("delivered"), "delivered")
        assert told.short_message == lost.short_message

    simulated(test, Reaction(receipts=(Receipt(after_s=0.0),)))


def test_a_receipt_may_take_another_bind():
    async def test(simulator, bind):
        first, second = Esme(), Esme()
        session = await bind(first)
        await bind(second, p.BindReceiver)
        session.submit(MESSAGE, 1)
        await second.until("delivered")
        assert of(first.events, "delivered") == []

    simulated(test, Reaction(receipts=(Receipt(after_s=0.0, elsewhere=True),)))


def test_copies_are_all_sent():
    async def test(simulator, bind):
        esme = Esme()
        (await bind(esme)).submit(MESSAGE, 1)
        await esme.until(*["delivered"] * 3)

    simulated(test, Reaction(receipts=(Receipt(after_s=0.0, copies=3),)))


def test_more_than_the_window_waits_for_room():
    async def test(simulator, bind):
        esme = Esme()
        (await bind(esme)).submit(MESSAGE, 1)
        await esme.until(*["delivered"] * 10)

    simulated(test, Reaction(receipts=(Receipt(after_s=0.0, copies=10),)), window=2)


@pytest.mark.parametrize("how", list(Cut))
def test_a_link_is_cut_instead_of_an_answer(how):
    async def test(simulator, bind):
        esme = Esme()
        (await bind(esme)).submit(MESSAGE, 1)
        events = await esme.until("lost", "closed")
        assert of(events, "answered") == []
        assert simulator.bound == []

    simulated(test, Reaction(cut=how))


def test_some_messages_are_never_answered():
    async def test(simulator, bind):
        esme = Esme()
        (await bind(esme, timers=Timers(response_s=0.05, sweep_s=0.01))).submit(MESSAGE, 1)
        events = await esme.until("unanswered")
        assert of(events, "answered") == []

    simulated(test, Reaction(after_s=None))


def test_an_mo_waits_for_a_bind_and_is_over_once_it_is_taken():
    async def test(simulator, bind):
        saying = asyncio.create_task(simulator.say("+15550002222", "12345", "Nachricht " * 30))
        esme = Esme(s.ESME_RX_T_APPN)
        await bind(esme)
        async with asyncio.timeout(10):
            assert await saying
        first, *_ = (pdu for (pdu,) in of(esme.events, "delivered"))
        assert (first.source_addr, first.source_addr_ton, first.destination_addr) == ("15550002222", 1, "12345")
        assert first.esm_class == 0x40
        assert len(of(esme.events, "delivered")) == 3  # two parts, one of them twice

    simulated(test, Reaction())


def test_what_a_handset_says_comes_on_one_bind():
    async def test(simulator, bind):
        esmes = [Esme(), Esme(), Esme()]
        for esme in esmes:
            await bind(esme)
        for n in range(30):
            for _ in range(2):
                assert await simulator.say(f"+155500022{n:02}", "12345", "YES")
        heard = [[pdu.source_addr for (pdu,) in of(esme.events, "delivered")] for esme in esmes]
        assert all(heard)
        assert all(said.count(handset) == 2 for said in heard for handset in said)

    simulated(test, Reaction())


def test_an_mo_that_is_refused_for_good_is_over_as_well():
    async def test(simulator, bind):
        await bind(Esme(s.ESME_RX_P_APPN))
        async with asyncio.timeout(10):
            assert not await simulator.say("+15550002222", "12345", "hello")

    simulated(test, Reaction())


def test_a_handset_replies_to_numbers_and_not_to_names():
    async def test(simulator, bind):
        esme = Esme()
        session = await bind(esme)
        session.submit(p.SubmitSm(source_addr="Name", source_addr_ton=5, destination_addr="15550002222"), 1)
        session.submit(MESSAGE, 2)
        ((pdu,),) = of(await esme.until("answered", "answered", "delivered"), "delivered")
        assert (pdu.short_message, pdu.destination_addr, pdu.esm_class) == (b"YES", "15550001111", 0)

    simulated(test, Reaction(replies=(Reply("YES", after_s=0.0),)))


def test_binds_may_be_refused():
    async def test(simulator, bind):
        with pytest.raises(BindRefused):
            await bind(Esme())

    simulated(test, Reaction(), admit=lambda bind: s.ESME_RINVPASWD)


def test_the_journal_has_the_message_before_its_answer_is_written(tmp_path):
    path = tmp_path / "journal.jsonl"

    async def test(simulator, bind):
        seen = []

        class Reading(Esme):
            def submit_answered(self, token, command_status, message_id, late):
                seen.append([json.loads(line) for line in path.read_text().splitlines()])
                super().submit_answered(token, command_status, message_id, late)

        esme = Reading()
        (await bind(esme)).submit(MESSAGE, 1)
        ((_, message_id),) = of(await esme.until("answered"), "answered")
        bound, submit = seen[0]
        assert (bound["event"], bound["system_id"], bound["as"]) == ("bind", "esme", "bound as transceiver")
        assert submit["event"] == "submit"
        assert (submit["from"], submit["to"], submit["body"]) == ("+15550001111", "+15550002222", "hello")
        assert (submit["id"], submit["status"], submit["answered"], submit["part"]) == (message_id, 0, True, None)

    journal = Journal(path)
    simulated(test, Reaction(), note=journal)
    journal.close()


def test_a_part_of_a_long_message_is_read_as_one():
    async def test(simulator, bind):
        esme = Esme()
        part = p.SubmitSm(esm_class=0x40, destination_addr="1", short_message=b"\x05\x00\x03\x07\x03\x02hello")
        (await bind(esme)).submit(part, 1)
        await esme.until("answered")
        assert [event["part"] for event in notes if event["event"] == "submit"] == [[7, 3, 2]]

    notes = []
    simulated(test, Reaction(), note=notes.append)

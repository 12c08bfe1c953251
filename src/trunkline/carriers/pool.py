"""All links of one carrier: which of them takes the next part, how much room they have together."""

from __future__ import annotations

import asyncio

from trunkline.carriers.link import Credentials, Link, LinkOwner, modes
from trunkline.domain.provisioning import Carrier
from trunkline.smpp import pdu as p
from trunkline.smpp.esme import EsmeSession


class Pool:
    """The links of a carrier, in one process: receipts then mostly land where the response did."""

    def __init__(self, carrier: Carrier, owner: LinkOwner) -> None:
        self.carrier = carrier
        self.links: list[Link] = []
        for spec in carrier.links:
            shared = Credentials()
            self.links += [
                Link(spec, number, owner, mode, shared)
                for number in range(1, spec.bind_count + 1)
                for mode in modes(spec)
            ]
        self._senders = [link for link in self.links if link.bind_mode != "receiver"]
        self._next = 0
        self._current: tuple[Link, EsmeSession] | None = None
        self._room = 0

    @property
    def up(self) -> bool:
        """Whether a link that can send is bound."""
        return any(link.session is not None for link in self._senders)

    @property
    def free(self) -> int:
        """How many parts the links take now."""
        return sum(link.session.free for link in self._senders if link.session is not None)

    @property
    def outstanding(self) -> int:
        """How many parts are written and not answered."""
        return sum(link.session.outstanding for link in self.links if link.session is not None)

    def submit(self, pdu: p.SubmitSm, token: object, other_than: Link | None = None) -> Link | None:
        """Gives a part to a link with room, with this turn's write; to another than `other_than` if another is up. None
        where no link has room.

        Raises EncodeError for a field that cannot be written.
        """
        if other_than is not None:
            others = [(link, link.session) for link in self._senders if link is not other_than]
            up = [(link, session) for link, session in others if session is not None]
            if up:
                link, session = max(up, key=lambda one: one[1].free)
                if session.free <= 0:
                    return None
                session.submit(pdu, token)
                self._current = None  # its room was counted without this one
                return link
        if self._room <= 0 or self._current is None or self._current[0].session is not self._current[1]:
            self._turn()
            if self._current is None:
                return None
        self._room -= 1
        link, session = self._current
        session.submit(pdu, token)
        return link

    def _turn(self) -> None:
        """The next link with room, in turn; a link's room is asked for once and then counted down."""
        self._current = None
        for _ in self._senders:
            link = self._senders[self._next % len(self._senders)]
            self._next += 1
            if link.session is not None and (room := link.session.free) > 0:
                # In slices, so that the links share the load also when one alone could take it.
                self._current, self._room = (link, link.session), min(room, 16)
                return

    async def run(self) -> None:
        """Keeps all links bound until cancelled."""
        async with asyncio.TaskGroup() as group:
            for link in self.links:
                group.create_task(link.run(), name=f"link {link.name}")

    async def drain(self, seconds: float) -> None:
        """Unbinds every link once its open answers have come, or the time is over."""
        await asyncio.gather(*(link.drain(seconds) for link in self.links))

"""One listener of the public API: what its connections share, and the deadlines of them all."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from trunkline.api.app import Api
from trunkline.api.exchange import Limits
from trunkline.api.protocol import ApiProtocol
from trunkline.runtime.clock import wall_s

_SWEEP_MOST = 50
_SWEEP_PAUSE_S = 0.01


class Listener:
    """What the connections of one listener share: the API, the limits, one sweeper for all deadlines, the Date line."""

    def __init__(self, api: Api, limits: Limits | None = None) -> None:
        self.api = api
        self.limits = limits or Limits()
        self.now = 0.0  # loop time at the last sweep: all that deadlines of seconds need, at no cost per request
        self.date = b""
        self._connections: set[ApiProtocol] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> ApiProtocol:
        """A protocol for a new connection: what uvicorn takes as `http=`."""
        return ApiProtocol(self, config, server_state, app_state, _loop)

    def config(self, **settings: Any) -> Config:
        """uvicorn's configuration of this listener; `settings` are its own (host, port, ssl_certfile, …)."""
        return Config(
            self.api,  # type: ignore[arg-type]  # never called: the protocol goes to the API itself
            http=self.protocol,  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
            **settings,
        )

    def add(self, connection: ApiProtocol) -> None:
        self._connections.add(connection)
        if self._loop is None:
            self._loop = connection.loop
            self._sweep()

    def discard(self, connection: ApiProtocol) -> None:
        self._connections.discard(connection)

    def _sweep(self) -> None:
        loop = self._loop
        if loop is None:
            return
        self.now = now = loop.time()
        self.date = f"date: {formatdate(wall_s(), usegmt=True)}\r\n".encode()
        late = [one for one in self._connections if one.deadline <= now]
        for connection in late[:_SWEEP_MOST]:
            connection.out_of_time()
        if self._connections:
            # Thousands that end at one moment must not hold up the others.
            loop.call_later(self.limits.sweep_s if len(late) <= _SWEEP_MOST else _SWEEP_PAUSE_S, self._sweep)
        else:
            self._loop = None

"""What checking a token costs a request, in process: one that was seen before, and one that was not.

python bench/token_check.py
"""

from __future__ import annotations

import time

from trunkline.api.exchange import Request
from trunkline.api.token import Tokens
from trunkline.domain.provisioning import AccountId, Provisioning, Token
from trunkline.domain.token import Issued, hash_of, issue
from trunkline.runtime.clock import wall_ms

COUNT = 1_000
ROUNDS = 50


def picture(version: int, issued: list[Issued], networks: tuple[str, ...] | None = None) -> Provisioning:
    scopes = frozenset({"messages:send", "messages:read"})
    tokens = [Token(n, AccountId(1), "", one.hash, scopes, None, networks, None, None) for n, one in enumerate(issued)]
    return Provisioning(version, {}, {}, {}, {token.hash: token for token in tokens}, {}, {}, {}, ())


def requests(issued: list[Issued]) -> list[Request]:
    return [
        Request(b"POST", b"/", b"", {b"authorization": b"Bearer " + one.token.encode()}, b"", False, "192.0.2.1", "id")
        for one in issued
    ]


def micros(tokens: Tokens, asked: list[Request], known: Provisioning) -> float:
    started = time.perf_counter()
    for request in asked:
        assert isinstance(tokens.check(request, known, "messages:send"), Token)
    return (time.perf_counter() - started) / len(asked) * 1e6


def main() -> None:
    issued = [issue() for _ in range(COUNT)]
    assert all(hash_of(one.token) == one.hash for one in issued)
    asked = requests(issued)
    for name, networks in (("anywhere", None), ("from two networks", ("198.51.100.0/24", "192.0.2.0/24"))):
        tokens = Tokens(now_ms=wall_ms)
        known = picture(0, issued, networks)
        first = min(micros(Tokens(now_ms=wall_ms), asked, known) for _ in range(ROUNDS))
        micros(tokens, asked, known)
        again = min(micros(tokens, asked, known) for _ in range(ROUNDS))
        print(f"a token that works {name}: {again:.2f} us where it is known, {first:.2f} us the first time")


if __name__ == "__main__":
    main()

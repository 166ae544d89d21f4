"""Those who come at once go on one after the other, so that they do not come at once again.

Replies that arrive together would be read together, checked together and followed by calls that are sent together,
each waiting for the work of all: a convoy that grows with every call that runs into it, and costs each as much as the
whole takes. Here the next goes on when the one before it has had the turns of the loop in which its call is sent.
"""

from __future__ import annotations

import asyncio
from collections import deque

TURNS = 2
"""Of the loop, from going on to a call that is on its way: that of the task itself, and of the one that writes."""

CROWDED_S = 0.002
"""Where they come more often than that, the loop is always busy: no order helps, and turns cost more than they gain."""

REMEMBERED = 64
"""Over about so many of them it is told how often they come: more than one convoy."""


class Turns:
    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False
        self._last_s = 0.0
        self._gap_s = 1.0

    async def take(self) -> None:
        """Returns when it is this one's turn: at once where nobody goes on just now, or there are too many. There is
        nothing to give back, and who does not wait any more is passed over."""
        loop = asyncio.get_running_loop()
        if self._is_crowded(loop.time()):
            return
        if not self._taken:
            self._taken = True
            self._after(loop, TURNS)
            return
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _is_crowded(self, now_s: float) -> bool:
        gap_s, self._last_s = min(1.0, now_s - self._last_s), now_s
        self._gap_s += (gap_s - self._gap_s) / REMEMBERED
        return self._gap_s < CROWDED_S

    def _after(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns:
            loop.call_soon(self._after, loop, turns - 1)
        else:
            self._pass_on(loop)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            following = self._waiting.popleft()
            if not following.done():
                following.set_result(None)
                self._after(loop, TURNS + 1)  # in the first of them it wakes
                return
        self._taken = False

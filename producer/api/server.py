"""Serves an application on a socket that is bound already, until SIGTERM or SIGINT."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from schemas.errors import PortInUse

FAREWELL_S = 5
"""For requests that are under way."""


def bound(host: str, port: int) -> socket.socket:
    """Raises `PortInUse`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"The API cannot be served on {host}:{port}: {error.strerror or error}. Choose another --port."
        ) from error
    return listener


async def serve(app: FastAPI, listener: socket.socket) -> None:
    await server_of(app).serve(sockets=[listener])


def server_of(app: FastAPI) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        access_log=False,  # addresses of files and batches are in the log of what was done
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=FAREWELL_S,
    )
    return uvicorn.Server(config)

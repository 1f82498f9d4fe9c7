"""Serves until it is told to stop."""

import logging
import socket

import uvicorn

from datacentre.web.api_keys import KeyRing
from sharing.access_keys import access_keys
from sharing.access_log.grouped import GroupedLog
from sharing.access_log.log import AccessLog
from sharing.api.app import create_app
from sharing.api.desk import Desk
from sharing.shelves import Shelves

log = logging.getLogger("datacentre.serve")
_GRACE_SECONDS = 15


def serve(shelves: Shelves, host: str, port: int) -> None:
    """Answer on `host` until SIGTERM; what was begun is ended first. Raises OSError when the port is taken."""
    reads = GroupedLog(AccessLog(shelves.home))
    listener = socket.create_server((host, port))
    log.info("answers at http://%s:%d", host, listener.getsockname()[1])
    try:
        desk = Desk(shelves, KeyRing(access_keys(shelves.home)), reads)
        uvicorn.Server(server_configuration(desk)).run([listener])
    finally:
        reads.close()


def server_configuration(desk: Desk) -> uvicorn.Config:
    """No access log of uvicorn's: the centre has its own, and addresses hold cursors."""
    return uvicorn.Config(
        create_app(desk),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )

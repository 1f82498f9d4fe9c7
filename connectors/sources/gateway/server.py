"""Serves the gateway until it is told to stop."""

import logging
import socket

import uvicorn

from connectors.sources.gateway.app import create_app
from connectors.sources.gateway.delivery import Delivery
from connectors.sources.gateway.gateway import Gateway
from connectors.sources.gateway.in_flight import Limits
from connectors.sources.gateway.keys import gateway_keys
from connectors.topics import BOOTSTRAP_MS, create_topics, unreachable
from datacentre.contracts import load_contracts
from datacentre.settings import Settings
from datacentre.web.api_keys import KeyRing

log = logging.getLogger("datacentre.gateway")
_GRACE_SECONDS = 15


def serve(settings: Settings, host: str) -> None:
    """Create missing topics and answer on `host` until SIGTERM; what was begun is ended first.

    Raises SourceUnavailable when no broker answers at the start, OSError when the port is taken.
    """
    contracts = load_contracts(settings.schemas)
    delivery = Delivery(settings.bootstrap_servers)
    try:
        if not delivery.answers(BOOTSTRAP_MS / 1000):
            raise unreachable(settings.bootstrap_servers, TimeoutError())
        create_topics(settings.bootstrap_servers, contracts.values())
        listener = socket.create_server((host, settings.gateway_port))
        log.info(
            "answers at http://%s:%d, over the broker at %s", host, settings.gateway_port, settings.bootstrap_servers
        )
        gateway = Gateway(contracts, KeyRing(gateway_keys(settings.home)), delivery, Limits())
        uvicorn.Server(server_configuration(gateway)).run([listener])
    finally:
        delivery.close()


def server_configuration(gateway: Gateway) -> uvicorn.Config:
    """No access log: paths may hold a case's key."""
    return uvicorn.Config(
        create_app(gateway),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )

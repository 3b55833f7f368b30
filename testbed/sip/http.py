"""What a plane's nodes serve over HTTP."""

from __future__ import annotations

import http.client
import socket

from common import ports
from testbed.sip.netns import socket_in
from testbed.sip.plane import Cluster


def fetch(plane: Cluster, name: str, path: str) -> str:
    """Body of the reply of a node's Kamailio to a GET from the node itself; any status."""
    node = plane.nodes[name]
    connection = http.client.HTTPConnection(node.address, ports.KAMAILIO_HTTP.number, timeout=20)
    connection.sock = socket_in(node.namespace, socket.SOCK_STREAM, (node.address, 0))
    connection.sock.settimeout(2)
    connection.sock.connect((node.address, ports.KAMAILIO_HTTP.number))
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()

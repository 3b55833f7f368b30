"""The AWS side of a lab in one process: moto, metadata service and resolver.

They listen inside the cloud namespace, where machines and Terraform reach them under the addresses
and names of AWS. moto also listens on a loopback port of the host, for boto3.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from host import netns
from lab.aws import dns, views
from lab.aws.iam.enforcement import Enforcement, with_records
from lab.aws.iam.sessions import Sessions
from lab.aws.serving import serve
from lab.names import ACCOUNT, API, IMAGE_ID, IMAGE_NAME, IMDS, RESOLVER, Names

CREDENTIALS: Final = {"aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
log = logging.getLogger(__name__)


def image_description() -> list[dict[str, Any]]:
    """The one AMI of the lab, as moto reads it from a file."""
    return [
        {
            "ami_id": IMAGE_ID,
            "name": IMAGE_NAME,
            "description": "C4 on Debian 13, local",
            "owner_id": ACCOUNT,
            "public": False,
            "virtualization_type": "hvm",
            "architecture": "x86_64",
            "state": "available",
            "platform": None,
            "image_type": "machine",
            "hypervisor": "xen",
            "root_device_name": "/dev/xvda",
            "root_device_type": "ebs",
            "sriov": "simple",
            "creation_date": "2025-01-01T00:00:00.000Z",
        }
    ]


def configure_moto(state: Path) -> None:
    """Set moto's environment. Must be called before moto is imported."""
    images = state / "images.json"
    images.write_text(json.dumps(image_description()))
    os.environ.update(
        MOTO_AMIS_PATH=str(images),
        MOTO_EC2_LOAD_DEFAULT_VPCS="false",
        MOTO_ENABLE_ISO_REGIONS="false",
        MOTO_IAM_LOAD_MANAGED_POLICIES="true",
        MOTO_ACCOUNT_ID=ACCOUNT,
    )


def client(service: str, region: str, port: int) -> Any:
    """A boto3 client of moto on the host's loopback."""
    import boto3.session

    session = boto3.session.Session()
    return session.client(  # type: ignore[call-overload]
        service, region_name=region, endpoint_url=f"http://127.0.0.1:{port}", **CREDENTIALS
    )


def start_on_loopback() -> tuple[int, Enforcement]:
    """Serve moto in a thread of this process, on a free port of the host's loopback."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from lab.aws.moto_fixes.cloudwatch import with_cbor

    loopback = socket.socket()
    loopback.bind(("127.0.0.1", 0))
    loopback.listen(128)
    port: int = loopback.getsockname()[1]

    def cloudwatch(region: str) -> Any:
        return client("cloudwatch", region, port)

    moto = with_cbor(one_at_a_time(DomainDispatcherApplication(create_backend_app)), cloudwatch)
    api = Enforcement(moto, Sessions())

    serve(loopback, with_records(api, api.records))
    return port, api


def start(names: Names, certificate: tuple[Path, Path], databases: dns.Resolve) -> int:
    """Serve everything in threads of this process; returns moto's port on the host's loopback."""
    from lab.aws.imds import MetadataService

    port, api = start_on_loopback()

    def inside(address: IPv4Address, number: int) -> socket.socket:
        return netns.bound_socket(names.cloud_ns, str(address), number, socket.SOCK_STREAM)

    serve(inside(API, 80), api)
    serve(inside(API, 443), api, certificate)
    serve(inside(IMDS, 80), MetadataService(views.by_address, api.sessions))
    resolver = netns.bound_socket(names.cloud_ns, str(RESOLVER), 53, socket.SOCK_DGRAM)
    dns.serve(resolver, dns.resolver(databases))
    return port


def one_at_a_time(app: WSGIApplication) -> WSGIApplication:
    """`app` without concurrency, which moto's dictionaries do not support.

    A request that fails half-way is repeated by the provider, and then finds what it has made.
    Failures of moto itself are logged.
    """

    def serial(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, *rest: Any) -> Callable[[bytes], object]:
            if status.startswith("5"):
                log.error("moto: %s for %s%s", status, environ["HTTP_HOST"], environ["PATH_INFO"])
            return start_response(status, *rest)

        with views.MOTO:
            return app(environ, start)

    return serial

"""The API of the local cloud on a port of the loopback, without a network of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import boto3.session
import botocore.loaders
import botocore.session
import pytest
from moto import mock_aws
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from lab.aws import cloud, moto
from lab.aws.iam.enforcement import Enforcement
from lab.aws.iam.sessions import Sessions
from lab.aws.moto_fixes.cloudwatch import with_cbor
from lab.aws.serving import serve

REGION = "eu-central-1"
LOADER = botocore.loaders.create_loader()  # of service models, of which EC2's takes a second


def session() -> boto3.session.Session:
    """A new session, with the environment's credentials unless its clients get others."""
    found = botocore.session.get_session()
    found.register_component("data_loader", LOADER)
    return boto3.session.Session(botocore_session=found, region_name=REGION)


class LocalApi:
    """moto with the lab's fixes, behind IAM."""

    def __init__(self) -> None:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        self.port: int = listening.getsockname()[1]
        self.sessions = Sessions()
        self._deployers: dict[str, Any] = {}
        inner = cloud.one_at_a_time(DomainDispatcherApplication(create_backend_app))
        self.iam = Enforcement(
            with_cbor(inner, lambda _: self.deployer("cloudwatch")),
            self.sessions,
        )
        serve(listening, self.iam)

    def deployer(self, service: str) -> Any:
        """A boto3 client whose calls are not judged."""
        if service not in self._deployers:
            self._deployers[service] = self._client(service, **cloud.CREDENTIALS)
        return self._deployers[service]

    def client(self, service: str, instance: str) -> Any:
        """A boto3 client with the credentials of an instance."""
        found = self.environment(instance)
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return self._client(service, **{name.lower(): found[name] for name in keys})

    def _client(self, service: str, **credentials: str) -> Any:
        url = f"http://127.0.0.1:{self.port}"
        return session().client(service, endpoint_url=url, **credentials)  # type: ignore[call-overload]

    def environment(self, instance: str) -> dict[str, str]:
        """Environment of a program that calls as the instance does."""
        credentials = self.sessions.credentials(instance)
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": credentials.key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret,
            "AWS_SESSION_TOKEN": credentials.token,
        }


@contextmanager
def local_api() -> Iterator[LocalApi]:
    """An empty account; moto is as before afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # thousands, a second
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_VPCS", "false")
        with mock_aws():
            moto.apply(partial(patch.setattr, raising=False))
            yield LocalApi()

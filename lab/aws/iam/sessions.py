"""Credentials that the metadata service hands to instances, and the sessions that they stand for.

Each instance has a key of its own. Signatures are not checked, but a key is worth nothing without
its token, and an instance cannot use the key of another one.
"""

from __future__ import annotations

import datetime
import threading
from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import Final

from lab.aws import views
from lab.aws.iam import resources
from lab.aws.iam.calls import Signature
from lab.aws.iam.evaluation import Principal
from lab.aws.iam.patterns import Context
from lab.aws.iam.resources import Role
from lab.aws.views import InstanceView
from lab.names import ACCOUNT

PREFIX: Final = "ASIA"  # of temporary keys


@dataclass(frozen=True)
class Credentials:
    instance: str
    key: str
    secret: str
    token: str


@dataclass(frozen=True)
class Session:
    """An instance that calls, with the role of its profile."""

    instance: InstanceView
    role: Role

    @property
    def principal(self) -> Principal:
        return Principal(ACCOUNT, self.role.name, self.instance.id)

    def keys(self, region: str) -> Context:
        """Global condition keys, and those of calls from an instance; names in lower case."""
        i, now = self.instance, datetime.datetime.now(datetime.UTC)
        found = {
            "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:EpochTime": str(int(now.timestamp())),
            "aws:PrincipalAccount": ACCOUNT,
            "aws:PrincipalArn": self.principal.role_arn,
            "aws:PrincipalIsAWSService": "false",
            "aws:PrincipalType": "AssumedRole",
            "aws:RequestedRegion": region,
            "aws:ResourceAccount": ACCOUNT,
            "aws:SecureTransport": "true",
            "aws:SourceVpc": i.vpc_id,
            "aws:VpcSourceIp": str(i.private_ip),
            "aws:ViaAWSService": "false",
            "aws:Ec2InstanceSourceVpc": i.vpc_id,
            "aws:Ec2InstanceSourcePrivateIPv4": str(i.private_ip),
            "aws:userid": f"{self.role.id}:{i.id}",
            "ec2:RoleDelivery": "2.0",
            "ec2:SourceInstanceARN": resources.arn("ec2", i.region, f"instance/{i.id}"),
        } | {f"aws:PrincipalTag/{key}": value for key, value in self.role.tags.items()}
        return {key.lower(): value for key, value in found.items()}


class Sessions:
    """The credentials that were handed out in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_instance: dict[str, Credentials] = {}
        self._by_key: dict[str, Credentials] = {}

    def credentials(self, instance: str) -> Credentials:
        """The instance's credentials, the same ones each time."""
        with self._lock:
            if instance not in self._by_instance:
                made = Credentials(
                    instance, PREFIX + token_hex(8).upper(), token_urlsafe(30), token_urlsafe(48)
                )
                self._by_instance[instance] = self._by_key[made.key] = made
            return self._by_instance[instance]

    def of(self, signature: Signature, address: str) -> Session | None:
        """The session that signs with these credentials, from that address.

        None when they are invalid there: an instance uses its own ones only.
        """
        with self._lock:
            found = self._by_key.get(signature.key)
        if found is None or found.token != signature.token:
            return None
        caller = views.by_address(address)
        if caller is not None and caller.id != found.instance:
            return None
        instance = caller or views.by_id(found.instance)
        role = (
            resources.role_of_profile(instance.profile) if instance and instance.profile else None
        )
        return Session(instance, role) if instance is not None and role is not None else None

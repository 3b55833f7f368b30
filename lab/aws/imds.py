"""The instance metadata service, version 2: a WSGI application.

An instance is recognised by the source address of its request. The paths are those that
cloud-init, the AWS SDKs and our agent read.
"""

from __future__ import annotations

import datetime
import json
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.wrappers import Request, Response

from lab.aws.iam.sessions import Credentials, Sessions
from lab.aws.views import InstanceView
from lab.names import ACCOUNT

TOKEN_HEADER: Final = "X-aws-ec2-metadata-token"
TTL_HEADER: Final = "X-aws-ec2-metadata-token-ttl-seconds"
MAX_TTL: Final = 21600  # seconds, as on EC2
TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class MetadataService:
    """Serves the instances that `find` returns for a source address."""

    def __init__(self, find: Callable[[str], InstanceView | None], sessions: Sessions) -> None:
        self._find = find
        self._sessions = sessions
        self._tokens: dict[str, tuple[str, float]] = {}  # token -> (instance, end of validity)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start)

    def _answer(self, request: Request) -> Response:
        instance = self._find(request.remote_addr or "")
        if instance is None:
            return Response("no such instance", 404)
        _, _, rest = request.path.strip("/").partition("/")  # without the version
        if request.method == "PUT" and rest == "api/token":
            return self._new_token(request, instance)
        if request.method != "GET":
            return Response(status=405)
        if not self._authorized(request, instance):
            return Response(status=401)
        if rest == "user-data":
            if instance.user_data is None:
                return Response(status=404)
            return Response(instance.user_data, mimetype="application/octet-stream")
        text = look_up(tree(instance, self._sessions), rest)
        return Response(status=404) if text is None else Response(text, mimetype="text/plain")

    def _new_token(self, request: Request, instance: InstanceView) -> Response:
        ttl = request.headers.get(TTL_HEADER, type=int)
        if ttl is None or not 1 <= ttl <= MAX_TTL or "X-Forwarded-For" in request.headers:
            return Response(status=400)
        token, now = secrets.token_urlsafe(32), time.monotonic()
        self._tokens = {t: v for t, v in self._tokens.items() if v[1] > now}
        self._tokens[token] = (instance.id, now + ttl)
        return Response(token, headers={TTL_HEADER: str(ttl)})

    def _authorized(self, request: Request, instance: InstanceView) -> bool:
        token = request.headers.get(TOKEN_HEADER)
        if token is None:
            return not instance.token_required
        owner, end = self._tokens.get(token, ("", 0.0))
        return owner == instance.id and end > time.monotonic()


def look_up(leaves: dict[str, str], path: str) -> str | None:
    """Text of a leaf, or the listing of a directory; None when there is neither."""
    path = path.strip("/")
    if path in leaves:
        return leaves[path]
    prefix = path + "/" if path else ""
    entries: dict[str, None] = {}
    for leaf in leaves:
        if leaf.startswith(prefix):
            head, slash, _ = leaf[len(prefix) :].partition("/")
            entries[head + slash] = None
    return "\n".join(entries) if entries else None


def tree(instance: InstanceView, sessions: Sessions) -> dict[str, str]:
    """Every path below the version, with its text."""
    leaves = {"dynamic/instance-identity/document": json.dumps(_identity(instance))}
    metadata = _metadata(instance)
    if instance.profile is not None:
        metadata |= _credentials(sessions.credentials(instance.id), instance.profile)
    leaves |= {f"meta-data/{key}": value for key, value in metadata.items()}
    return leaves


def _metadata(i: InstanceView) -> dict[str, str]:
    data = {
        "ami-id": i.image_id,
        "ami-launch-index": "0",
        "autoscaling/target-lifecycle-state": i.target_state,
        "hostname": i.dns_name,
        "instance-id": i.id,
        "instance-life-cycle": "on-demand",
        "instance-type": i.instance_type,
        "local-hostname": i.dns_name,
        "local-ipv4": str(i.private_ip),
        "mac": i.mac,
        "placement/availability-zone": i.zone,
        "placement/region": i.region,
        "reservation-id": "r-" + i.id.removeprefix("i-"),
        "security-groups": "\n".join(i.security_groups),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    interface = f"network/interfaces/macs/{i.mac}/"
    data |= {
        interface + "device-number": "0",
        interface + "interface-id": i.interface_id,
        interface + "local-ipv4s": str(i.private_ip),
        interface + "mac": i.mac,
        interface + "owner-id": ACCOUNT,
        interface + "subnet-id": i.subnet_id,
        interface + "subnet-ipv4-cidr-block": str(i.subnet),
        interface + "vpc-id": i.vpc_id,
        interface + "vpc-ipv4-cidr-block": str(i.vpc),
        interface + "vpc-ipv4-cidr-blocks": str(i.vpc),
    }
    if i.public_ip is not None:
        data |= {"public-ipv4": str(i.public_ip), interface + "public-ipv4s": str(i.public_ip)}
    if i.tags_in_metadata:
        data |= {f"tags/instance/{k}": v for k, v in sorted(i.tags.items()) if not _reserved(k)}
    return data


def _reserved(tag: str) -> bool:
    """True for a tag that EC2 does not show: a key with a slash, which would break the listing."""
    return "/" in tag


def _credentials(credentials: Credentials, profile: str) -> dict[str, str]:
    """Credentials in the form that the SDKs expect."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "iam/info": json.dumps(
            {
                "Code": "Success",
                "LastUpdated": now.strftime(TIME),
                "InstanceProfileArn": f"arn:aws:iam::{ACCOUNT}:instance-profile/{profile}",
            }
        ),
        f"iam/security-credentials/{profile}": json.dumps(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "LastUpdated": now.strftime(TIME),
                "AccessKeyId": credentials.key,
                "SecretAccessKey": credentials.secret,
                "Token": credentials.token,
                "Expiration": (now + datetime.timedelta(hours=6)).strftime(TIME),
            }
        ),
    }


def _identity(i: InstanceView) -> dict[str, str]:
    return {
        "accountId": ACCOUNT,
        "architecture": "x86_64",
        "availabilityZone": i.zone,
        "imageId": i.image_id,
        "instanceId": i.id,
        "instanceType": i.instance_type,
        "pendingTime": i.launched.strftime(TIME),
        "privateIp": str(i.private_ip),
        "region": i.region,
        "version": "2017-09-30",
    }

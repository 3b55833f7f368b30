"""Stands before moto, and lets only those calls of instances through that IAM allows.

Calls from elsewhere are the deployer's: Terraform in the cloud's network, boto3 on the loopback.
They are not judged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lab.aws import views
from lab.aws.iam import calls, documents, errors, resources
from lab.aws.iam.calls import Call, Signature
from lab.aws.iam.documents import Policy, PolicyError, Statement
from lab.aws.iam.errors import Refusal
from lab.aws.iam.evaluation import Decision, Policies, decide
from lab.aws.iam.needs import NEEDS, Need
from lab.aws.iam.records import Records
from lab.aws.iam.sessions import PREFIX, Session, Sessions

log = logging.getLogger(__name__)
RECORDS_PATH: Final = "/lab/iam"  # of the API on the host's loopback
ENDPOINTS: Final = {"cloudwatch": "monitoring"}  # names of services in DNS that differ

Why = list[tuple[Need, tuple[Statement, ...]]]


class Enforcement:
    """A WSGI application before another one. `records` has what it decided."""

    def __init__(self, inner: WSGIApplication, sessions: Sessions) -> None:
        self._inner = inner
        self.sessions = sessions
        self.records = Records()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        with views.MOTO:
            refusal, protocol = self._judge(environ)
        if refusal is not None:
            return refusal.answer(protocol, start)
        return self._inner(environ, start)

    def _judge(self, environ: WSGIEnvironment) -> tuple[Refusal | None, str]:
        """The error of a call that is not allowed, and the protocol in which to answer."""
        address = str(environ.get("REMOTE_ADDR", ""))
        signature = Signature.of(environ)
        if signature is None:
            inside = views.by_address(address) is not None
            return (errors.NOT_SIGNED if inside else None), errors.QUERY
        if not signature.key.startswith(PREFIX) and views.by_address(address) is None:
            return None, errors.QUERY
        call = calls.read(environ, signature)
        session = self.sessions.of(signature, address)
        if session is None:
            log.warning("iam: %s from %s with invalid credentials", call.action, address)
            self.records.denied("", call.action, f"{call.action} with invalid credentials")
            return errors.INVALID_CREDENTIALS, call.protocol
        refusal, why = judge(session, call)
        if refusal is None:
            self.records.allowed(session.role.name, call.action, why)
        elif self.records.denied(session.role.name, call.action, refusal.message):
            log.warning("iam: %s: %s", refusal.code(call.protocol), refusal.message)
        return refusal, call.protocol


def judge(session: Session, call: Call) -> tuple[Refusal | None, Why]:
    """The error if the call is not allowed, else the statements that allow each of its needs.

    Needs the lock `views.MOTO`.
    """
    known = NEEDS.get(call.action)
    if known is None:
        return errors.unmapped(session.principal, call.action), []
    common = session.keys(call.region)
    why: Why = []
    for need in known(call):
        own = {key.lower(): value for key, value in need.keys.items()}
        if need.via:
            own |= {"kms:calleraccount": session.principal.account, "aws:viaawsservice": "true"}
        try:
            policies = policies_for(session, call, need)
        except PolicyError as error:
            decision = Decision(False, f"because a policy cannot be read: {error}")
        else:
            decision = decide(
                session.principal, need.action, need.resource, {**common, **own}, policies
            )
        if not decision.allowed:
            return errors.denied(session.principal, need, decision), []
        why.append((need, decision.by))
    return None, why


def policies_for(session: Session, call: Call, need: Need) -> Policies:
    """All policies that decide on a need. Raises `PolicyError`."""
    role = session.role
    # What a service asks for on the caller's behalf passes no endpoint of the VPC.
    endpoint = (
        None
        if need.via
        else resources.endpoint_policy(
            call.region, session.instance.vpc_id, ENDPOINTS.get(call.service, call.service)
        )
    )
    return Policies(
        identity=tuple(documents.parse(name, text) for name, text in role.policies),
        boundary=documents.parse(*role.boundary) if role.boundary else None,
        resource=_parsed("resource", need.policy),
        resource_must_delegate=need.of_key,
        endpoint=_parsed("endpoint", endpoint),
    )


def _parsed(name: str, text: str | None) -> Policy | None:
    return None if text is None else documents.parse(name, text)


def with_records(inner: WSGIApplication, records: Records) -> WSGIApplication:
    """`inner`, and what was decided as JSON under `RECORDS_PATH`."""

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != RECORDS_PATH:
            return inner(environ, start)
        body = json.dumps(records.as_json()).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return application

"""The decision: AWS's evaluation logic for a role's session within one account.

Service and resource control policies, and session policies, are not part of it: no deployment here
has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.aws.iam.documents import Policy, Statement
from lab.aws.iam.patterns import ARN_FIELDS, Context, arn_matches, matches


@dataclass(frozen=True)
class Principal:
    """The session of a role, as an instance has one."""

    account: str
    role: str
    session: str

    @property
    def arn(self) -> str:
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role}/{self.session}"

    @property
    def role_arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.role}"


@dataclass(frozen=True)
class Policies:
    """Everything that has a say in one call."""

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    resource: Policy | None = None
    # A key is different: without a word of its policy, no policy of a role counts.
    resource_must_delegate: bool = False
    endpoint: Policy | None = None  # of the VPC endpoint that the call passes


@dataclass(frozen=True)
class Decision:
    """Whether a call is allowed; why not, in AWS's words; and the statements that allow it."""

    allowed: bool
    reason: str = ""
    by: tuple[Statement, ...] = ()


def decide(
    principal: Principal, action: str, resource: str, context: Context, policies: Policies
) -> Decision:
    """Judge `action` on the ARN `resource` (or `*`)."""

    def hits(policy: Policy | None) -> list[Statement]:
        return [s for s in policy or () if applies(s, principal, action, resource, context)]

    identity = [statement for policy in policies.identity for statement in hits(policy)]
    # Policies of resources and endpoints say whom they mean.
    of_resource = [s for s in hits(policies.resource) if s.principals is not None]
    endpoint = [s for s in hits(policies.endpoint) if s.principals is not None]
    boundary = hits(policies.boundary)
    for found, kind in (
        (identity, "an identity-based policy"),
        (of_resource, "a resource-based policy"),
        (boundary, "a permissions boundary"),
        (endpoint, "a VPC endpoint policy"),
    ):
        if not all(statement.allows for statement in found):
            return Decision(False, f"with an explicit deny in {kind}")

    direct = [s for s in of_resource if not _whole_account(s, principal)]
    delegated = [s for s in of_resource if s not in direct]
    nobody = f"allows the {action} action"
    if policies.endpoint is not None and not endpoint:
        return Decision(False, f"because no VPC endpoint policy {nobody}")
    if policies.resource_must_delegate and not of_resource:
        return Decision(False, f"because no resource-based policy {nobody}")
    if not direct and not identity:
        return Decision(False, f"because no identity-based policy {nobody}")
    # A resource's policy that names the session itself, or everybody, is not limited by a boundary.
    if policies.boundary is not None and not boundary:
        direct = [s for s in direct if _names_session(s, principal)]
        if not direct:
            return Decision(False, f"because no permissions boundary {nobody}")
    by = identity if identity and (delegated or not policies.resource_must_delegate) else direct
    return Decision(True, by=tuple(by))


def applies(
    statement: Statement, principal: Principal, action: str, resource: str, context: Context
) -> bool:
    """Whether a statement speaks of this call."""
    named = any(
        matches(text, action, context, variables=False, ignore_case=True)
        for text in statement.actions
    )
    if named is statement.but_actions:
        return False
    if statement.principals is not None and not any(_principals(statement, principal)):
        return False
    if not _on_resource(statement, resource, context):
        return False
    return all(condition.holds(context) for condition in statement.conditions)


def _on_resource(statement: Statement, resource: str, context: Context) -> bool:
    found = [_on(text, resource, context, statement) for text in statement.resources]
    if not statement.but_resources:
        return any(found)
    # A variable without a value must not make an exception of everything.
    return all(answer is False for answer in found)


def _on(text: str, resource: str, context: Context, statement: Statement) -> bool | None:
    """Whether a resource of a policy is the one asked for; None if a variable has no value."""
    if text == "*":
        return True
    # Fields that an ARN of a policy leaves out are wildcards.
    short = ARN_FIELDS - 1 - text.count(":")
    whole = text + ":*" * short if "${" not in text and short > 0 else text
    return arn_matches(whole, resource, context, variables=statement.variables)


def _principals(statement: Statement, principal: Principal) -> Iterator[bool]:
    for name in (statement.principals or {}).get("AWS", ()):
        yield name in ("*", principal.arn, principal.role_arn) or _is_account(name, principal)


def _is_account(name: str, principal: Principal) -> bool:
    return name in (principal.account, f"arn:aws:iam::{principal.account}:root")


def _whole_account(statement: Statement, principal: Principal) -> bool:
    """True if the statement names the caller's account only: it leaves the decision to IAM."""
    names: Iterable[str] = (statement.principals or {}).get("AWS", ())
    direct = ("*", principal.arn, principal.role_arn)
    return not any(name in direct for name in names)


def _names_session(statement: Statement, principal: Principal) -> bool:
    names = (statement.principals or {}).get("AWS", ())
    return "*" in names or principal.arn in names

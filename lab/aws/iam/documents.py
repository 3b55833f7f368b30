"""Policy documents as typed statements. What this code does not know is an error, never allowed."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.aws.iam.conditions import Condition, UnknownOperator

ELEMENTS: Final = {
    "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal",
}  # fmt: skip
WITH_VARIABLES: Final = "2012-10-17"


class PolicyError(ValueError):
    """A policy that cannot be read; IAM would have refused it."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy; `index` stands for a missing Sid."""

    policy: str
    sid: str
    index: int
    allows: bool
    actions: tuple[str, ...]
    but_actions: bool  # NotAction
    resources: tuple[str, ...]
    but_resources: bool  # NotResource
    conditions: tuple[Condition, ...]
    principals: Mapping[str, tuple[str, ...]] | None  # by kind: AWS, Service, Federated
    variables: bool

    @property
    def name(self) -> str:
        return self.sid or f"{self.policy}[{self.index}]"


Policy = tuple[Statement, ...]


@functools.lru_cache(maxsize=512)
def parse(name: str, text: str) -> Policy:
    """The statements of a policy called `name`. Raises `PolicyError`."""
    try:
        document = json.loads(text)
        version = document.get("Version")
        statements = document["Statement"]
    except (ValueError, KeyError, AttributeError) as error:
        raise PolicyError(f"policy {name}: {error!r}") from None
    if isinstance(statements, dict):
        statements = [statements]
    return tuple(
        _statement(name, number, body, version == WITH_VARIABLES)
        for number, body in enumerate(statements)
    )


def _statement(policy: str, index: int, body: dict[str, Any], variables: bool) -> Statement:
    where = f"policy {policy}, statement {body.get('Sid', index)}"
    if unknown := set(body) - ELEMENTS:
        raise PolicyError(f"{where}: {', '.join(sorted(unknown))}: unknown elements")
    if body.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"{where}: Effect must be Allow or Deny, not {body.get('Effect')!r}")
    if "Action" not in body and "NotAction" not in body:
        raise PolicyError(f"{where}: Action is absent")
    try:
        conditions = tuple(
            Condition.parse(name, key, _texts(values), variables=variables)
            for name, keys in body.get("Condition", {}).items()
            for key, values in keys.items()
        )
    except UnknownOperator as error:
        raise PolicyError(f"{where}: {error}") from None
    return Statement(
        policy=policy,
        sid=str(body.get("Sid", "")),
        index=index,
        allows=body["Effect"] == "Allow",
        actions=_texts(body.get("Action", body.get("NotAction"))),
        but_actions="NotAction" in body,
        # A trust or resource policy may leave it out: then it is the resource itself.
        resources=_texts(body.get("Resource", body.get("NotResource", "*"))),
        but_resources="NotResource" in body,
        conditions=conditions,
        principals=_principals(body.get("Principal")),
        variables=variables,
    )


def _principals(principal: Any) -> Mapping[str, tuple[str, ...]] | None:
    if principal is None:
        return None
    if isinstance(principal, str):  # "*": everybody
        return {"AWS": (principal,)}
    return {kind: _texts(values) for kind, values in principal.items()}


def _texts(value: Any) -> tuple[str, ...]:
    """Values of a policy as texts; JSON's true and 1 mean the same as "true" and "1"."""
    values = value if isinstance(value, list) else [value]
    return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)

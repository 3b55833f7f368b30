"""Attributes that moto accepts but does not return, so that Terraform would set them again.

Upstream: getmoto/moto#7831 fixed the description of security group rules, for address ranges only.
No issue is known about the source of RDS parameters and about scaling policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moto.autoscaling.models import FakeScalingPolicy
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.rds.models import DBParameterGroup


def description(rule: SecurityGroupRule) -> str | None:
    """The description of a rule, also of one whose other side is a security group."""
    return rule.ip_range.get("Description") or rule.source_group.get("Description")


def apply(put: Callable[[Any, str, Any], None]) -> None:
    create = FakeScalingPolicy.__init__
    update = DBParameterGroup.update_parameters

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        create(self, *arguments, **options)
        self.enabled = True
        self.predictive_scaling_configuration = self.predictive_scaling_configuration or None

    def update_parameters(self: Any, new_parameters: Iterable[dict[str, Any]]) -> None:
        """Mark changed parameters as set by the user; their source differs from the defaults'."""
        update(self, [{**parameter, "Source": "user"} for parameter in new_parameters])

    put(FakeScalingPolicy, "__init__", init)
    put(DBParameterGroup, "update_parameters", update_parameters)
    put(SecurityGroupRule, "description", property(description))

"""The permissions of an instance in AWS: its role and profile."""

from __future__ import annotations

from collections.abc import Sequence

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_aws.iam_instance_profile import IamInstanceProfile
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from c4.policy import Statement, document


class InstanceRole(Construct):
    """Role and instance profile of one group; it may do what `statements` say and nothing else."""

    def __init__(
        self, scope: Construct, id_: str, *, name: str, statements: Sequence[Statement]
    ) -> None:
        super().__init__(scope, id_)
        trust = Statement(
            sid="Instances",
            actions=["sts:AssumeRole"],
            resources=[],
            service="ec2.amazonaws.com",
        )
        role = IamRole(
            self,
            "role",
            name=name,
            assume_role_policy=document(self, "trust", [trust]),
        )
        policy = IamRolePolicy(
            self,
            "policy",
            name="instance",
            role=role.name,
            policy=document(self, "permissions", statements),
        )
        profile = IamInstanceProfile(self, "profile", name=name, role=role.name)
        self.profile_name = name
        self.parts: list[ITerraformDependable] = [policy, profile]

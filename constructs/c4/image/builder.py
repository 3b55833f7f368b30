"""The machine that builds an image, and its permissions."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.iam_instance_profile import IamInstanceProfile
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.imagebuilder_infrastructure_configuration import (
    ImagebuilderInfrastructureConfiguration,
    ImagebuilderInfrastructureConfigurationInstanceMetadataOptions,
    ImagebuilderInfrastructureConfigurationLogging,
    ImagebuilderInfrastructureConfigurationLoggingS3Logs,
)
from constructs import Construct

from c4.account import Account
from c4.bucket import PrivateBucket
from c4.image.component import PAYLOAD
from c4.policy import Statement, document

# What Image Builder itself needs on its instances, maintained by AWS.
MANAGED = ("EC2InstanceProfileForImageBuilder", "AmazonSSMManagedInstanceCore")
LOGS = "logs"


class Builder(Construct):
    """Infrastructure configuration: a short-lived instance in a private subnet."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        account: Account,
        assets: PrivateBucket,
        key: str,
        instance_type: str,
        subnet_id: str,
        security_group_id: str,
    ) -> None:
        super().__init__(scope, id_)
        trust = Statement(
            sid="Instances", actions=["sts:AssumeRole"], resources=[], service="ec2.amazonaws.com"
        )
        role = IamRole(self, "role", name=name, assume_role_policy=document(self, "trust", [trust]))
        for policy in MANAGED:
            IamRolePolicyAttachment(
                self, policy, role=role.name, policy_arn=account.managed_policy(policy)
            )
        IamRolePolicy(
            self,
            "policy",
            name="assets",
            role=role.name,
            policy=document(self, "permissions", _permissions(account, assets, key)),
        )
        profile = IamInstanceProfile(self, "profile", name=name, role=role.name)
        self._configuration = ImagebuilderInfrastructureConfiguration(
            self,
            "configuration",
            name=name,
            instance_profile_name=profile.name,
            instance_types=[instance_type],
            subnet_id=subnet_id,
            security_group_ids=[security_group_id],
            terminate_instance_on_failure=True,
            instance_metadata_options=ImagebuilderInfrastructureConfigurationInstanceMetadataOptions(
                http_tokens="required", http_put_response_hop_limit=1
            ),
            logging=ImagebuilderInfrastructureConfigurationLogging(
                s3_logs=ImagebuilderInfrastructureConfigurationLoggingS3Logs(
                    s3_bucket_name=assets.name, s3_key_prefix=LOGS
                )
            ),
        )

    @property
    def configuration_arn(self) -> str:
        return self._configuration.arn


def _permissions(account: Account, assets: PrivateBucket, key: str) -> list[Statement]:
    return [
        Statement(
            sid="ReadAssets", actions=["s3:GetObject"], resources=[f"{assets.arn}/{PAYLOAD}"]
        ),
        # `S3Download` lists what matches before it reads.
        Statement(sid="ListAssets", actions=["s3:ListBucket"], resources=[assets.arn]),
        Statement(sid="WriteLogs", actions=["s3:PutObject"], resources=[f"{assets.arn}/{LOGS}/*"]),
        Statement(
            sid="UseKeyOfAssets",
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[key],
            where={"kms:ViaService": f"s3.{account.region}.amazonaws.com"},
        ),
    ]

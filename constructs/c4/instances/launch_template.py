"""The launch template for the instances of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdktf import ITerraformDependable, Token
from cdktf_cdktf_provider_aws.launch_template import (
    LaunchTemplate as AwsLaunchTemplate,
)
from cdktf_cdktf_provider_aws.launch_template import (
    LaunchTemplateBlockDeviceMappings,
    LaunchTemplateBlockDeviceMappingsEbs,
    LaunchTemplateIamInstanceProfile,
    LaunchTemplateMetadataOptions,
    LaunchTemplateMonitoring,
    LaunchTemplateTagSpecifications,
)
from constructs import Construct

ROOT_DEVICE = "/dev/xvda"  # of Debian's AMIs and of ours


class LaunchTemplate(Construct):
    """IMDSv2 only, encrypted root volume, no key pair. `user_data` is base64.

    `after` is what has to exist before an instance boots from it.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        image_id: str,
        instance_type: str,
        disk_gb: int,
        user_data: str,
        profile_name: str,
        security_group_ids: Sequence[str],
        tags: Mapping[str, str],
        detailed_monitoring: bool,
        after: Sequence[ITerraformDependable] = (),
    ) -> None:
        super().__init__(scope, id_)
        self._template = AwsLaunchTemplate(
            self,
            "template",
            name=name,
            image_id=image_id,
            instance_type=instance_type,
            user_data=user_data,
            vpc_security_group_ids=list(security_group_ids),
            iam_instance_profile=LaunchTemplateIamInstanceProfile(name=profile_name),
            metadata_options=LaunchTemplateMetadataOptions(
                http_endpoint="enabled",
                http_tokens="required",
                http_put_response_hop_limit=1,
                instance_metadata_tags="enabled",
            ),
            block_device_mappings=[
                LaunchTemplateBlockDeviceMappings(
                    device_name=ROOT_DEVICE,
                    ebs=LaunchTemplateBlockDeviceMappingsEbs(
                        encrypted="true",
                        volume_type="gp3",
                        volume_size=disk_gb,
                        delete_on_termination="true",
                    ),
                )
            ],
            monitoring=LaunchTemplateMonitoring(enabled=detailed_monitoring),
            # The group tags the instances; volumes and interfaces get their tags from here.
            tag_specifications=[
                LaunchTemplateTagSpecifications(resource_type=kind, tags=dict(tags))
                for kind in ("volume", "network-interface")
            ],
            update_default_version=True,
            depends_on=list(after) or None,
            tags={"Name": name},
        )

    @property
    def id(self) -> str:
        return self._template.id

    @property
    def version(self) -> str:
        """Number of the newest version; it changes exactly when the content does."""
        return Token.as_string(self._template.latest_version)

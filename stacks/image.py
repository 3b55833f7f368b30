"""EC2 Image Builder: builds the machine image with the same scripts as the local cloud's.

    ./c4 image payload payload.tar.gz --rds-ca global-bundle.pem
    aws s3 cp payload.tar.gz s3://<output bucket>/
    aws imagebuilder start-image-pipeline-execution --image-pipeline-arn <output pipeline_arn>

Stacks deployed afterwards boot the new image; instance refresh replaces running instances.
"""

from __future__ import annotations

from cdktf import Fn, TerraformOutput
from constructs import Construct

from c4 import ports
from c4.bucket import PrivateBucket
from c4.image.builder import Builder
from c4.image.component import PAYLOAD, ProvisioningComponent
from c4.image.pipeline import Pipeline
from c4.instances.security_group import ANYWHERE, SecurityGroup
from c4.stack import DeploymentStack
from common.names import TAG_DEPLOYMENT, resource_name
from common.topology import Segment
from settings.deployment import Deployment
from stacks.network import NetworkStack

STACK = "image"


class ImageStack(DeploymentStack):
    """Bucket for the payload, build instance, recipe, pipeline."""

    def __init__(self, scope: Construct, *, deployment: Deployment, network: NetworkStack) -> None:
        super().__init__(scope, STACK, deployment=deployment)
        name = resource_name(deployment.deployment, STACK)
        ids = network.read_from(self)

        assets = PrivateBucket(
            self, "assets", name=f"{name}-{self.account.id}", key=ids.key, expire_old=True
        )
        component = ProvisioningComponent(
            self, "provisioning", name=name, sip_packages=deployment.image.sip_packages
        )
        firewall = SecurityGroup(
            self, "firewall", name=name, purpose="Build of the machine image", vpc_id=ids.vpc_id
        )
        firewall.allow_to(ANYWHERE, ports.HTTPS, "APIs of AWS")
        firewall.allow_to(ANYWHERE, ports.HTTP, "Mirrors of Debian; packages are signed")
        builder = Builder(
            self,
            "builder",
            name=name,
            account=self.account,
            assets=assets,
            key=ids.key,
            instance_type=deployment.image.build_instance_type,
            subnet_id=Fn.element(ids.subnet_ids[Segment.INTERNAL], 0),
            security_group_id=firewall.id,
        )
        pipeline = Pipeline(
            self,
            "pipeline",
            name=name,
            region=deployment.region,
            image_name=deployment.image.name,
            disk_gb=deployment.image.disk_gb,
            component_arn=component.arn,
            payload_uri=f"s3://{assets.name}/{PAYLOAD}",
            infrastructure_arn=builder.configuration_arn,
            tags={TAG_DEPLOYMENT: deployment.deployment},
        )
        TerraformOutput(self, "bucket", static_id=True, value=assets.name)
        TerraformOutput(self, "pipeline_arn", static_id=True, value=pipeline.arn)

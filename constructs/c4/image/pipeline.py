"""Recipe, distribution and pipeline of the machine image."""

from __future__ import annotations

import base64

from cdktf import Fn, TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_aws.data_aws_ami import DataAwsAmi, DataAwsAmiFilter
from cdktf_cdktf_provider_aws.imagebuilder_distribution_configuration import (
    ImagebuilderDistributionConfiguration,
    ImagebuilderDistributionConfigurationDistribution,
    ImagebuilderDistributionConfigurationDistributionAmiDistributionConfiguration,
)
from cdktf_cdktf_provider_aws.imagebuilder_image_pipeline import ImagebuilderImagePipeline
from cdktf_cdktf_provider_aws.imagebuilder_image_recipe import (
    ImagebuilderImageRecipe,
    ImagebuilderImageRecipeBlockDeviceMapping,
    ImagebuilderImageRecipeBlockDeviceMappingEbs,
    ImagebuilderImageRecipeComponent,
    ImagebuilderImageRecipeComponentParameter,
    ImagebuilderImageRecipeSystemsManagerAgent,
)
from constructs import Construct

from c4.image.component import PAYLOAD_URI
from c4.instances.launch_template import ROOT_DEVICE

DEBIAN = "136693071363"  # AWS account of the Debian project
PARENT = "debian-13-amd64-*"  # ... -<date>-<time>
BUILD_DATE = "{{ imagebuilder:buildDate }}"
# Image Builder talks to its instances through this agent, and Debian has none.
INSTALL_AGENT = """\
#!/bin/bash
set -e
cd /var/tmp
url=https://s3.{region}.amazonaws.com/amazon-ssm-{region}/latest/debian_amd64/amazon-ssm-agent.deb
python3 - "$url" <<'END'
import sys, urllib.request
urllib.request.urlretrieve(sys.argv[1], "amazon-ssm-agent.deb")
END
dpkg -i amazon-ssm-agent.deb
rm amazon-ssm-agent.deb
systemctl enable --now amazon-ssm-agent
"""


class Pipeline(Construct):
    """Builds on the newest Debian 13 image; started by hand, see `stacks/image.py`."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        region: str,
        image_name: str,
        disk_gb: int,
        component_arn: str,
        payload_uri: str,
        infrastructure_arn: str,
        tags: dict[str, str],
    ) -> None:
        super().__init__(scope, id_)
        recipe = self._recipe(name, region, disk_gb, _component(component_arn, payload_uri))
        distribution = ImagebuilderDistributionConfiguration(
            self,
            "distribution",
            name=name,
            distribution=[
                ImagebuilderDistributionConfigurationDistribution(
                    region=region,
                    ami_distribution_configuration=ImagebuilderDistributionConfigurationDistributionAmiDistributionConfiguration(
                        name=image_name.replace("*", BUILD_DATE), ami_tags=tags
                    ),
                )
            ],
        )
        self._pipeline = ImagebuilderImagePipeline(
            self,
            "pipeline",
            name=name,
            image_recipe_arn=recipe.arn,
            infrastructure_configuration_arn=infrastructure_arn,
            distribution_configuration_arn=distribution.arn,
        )

    def _recipe(
        self, name: str, region: str, disk_gb: int, component: ImagebuilderImageRecipeComponent
    ) -> ImagebuilderImageRecipe:
        parent = DataAwsAmi(
            self,
            "debian",
            owners=[DEBIAN],
            most_recent=True,
            filter=[DataAwsAmiFilter(name="name", values=[PARENT])],
        )
        user_data = INSTALL_AGENT.format(region=region)
        return ImagebuilderImageRecipe(
            self,
            "recipe",
            name=name,
            version=_version(parent),
            parent_image=parent.id,
            component=[component],
            block_device_mapping=[
                ImagebuilderImageRecipeBlockDeviceMapping(
                    device_name=ROOT_DEVICE,
                    ebs=ImagebuilderImageRecipeBlockDeviceMappingEbs(
                        encrypted="true",
                        volume_type="gp3",
                        volume_size=disk_gb,
                        delete_on_termination="true",
                    ),
                )
            ],
            systems_manager_agent=ImagebuilderImageRecipeSystemsManagerAgent(
                uninstall_after_build=True
            ),
            user_data_base64=base64.b64encode(user_data.encode()).decode("ascii"),
            # Recipes are immutable and in use by the pipeline until it has the next one.
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )

    @property
    def arn(self) -> str:
        return self._pipeline.arn


def _component(arn: str, payload_uri: str) -> ImagebuilderImageRecipeComponent:
    payload = ImagebuilderImageRecipeComponentParameter(name=PAYLOAD_URI, value=payload_uri)
    return ImagebuilderImageRecipeComponent(component_arn=arn, parameter=[payload])


def _version(parent: DataAwsAmi) -> str:
    """`1.<date>.<time>` of the parent image, so that a newer Debian is a newer recipe."""
    words = Fn.split("-", parent.name)
    date, time = (
        Token.as_string(Fn.parseint(Token.as_string(Fn.element(words, index)), 10))
        for index in (3, 4)
    )
    return f"1.{date}.{time}"

"""Recipe, distribution and pipeline of the machine image."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence

from cdktf import (
    DefaultTokenResolver,
    Fn,
    StringConcat,
    TerraformResourceLifecycle,
    Token,
    Tokenization,
)
from cdktf_cdktf_provider_aws.data_aws_ami import DataAwsAmi, DataAwsAmiFilter
from cdktf_cdktf_provider_aws.imagebuilder_distribution_configuration import (
    ImagebuilderDistributionConfiguration,
    ImagebuilderDistributionConfigurationDistribution,
    ImagebuilderDistributionConfigurationDistributionAmiDistributionConfiguration,
)
from cdktf_cdktf_provider_aws.imagebuilder_image_pipeline import (
    ImagebuilderImagePipeline,
    ImagebuilderImagePipelineImageTestsConfiguration,
)
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
UNVERSIONED = "1.0.0"  # until the version is computed from everything else
DIGEST_DIGITS = 7  # hexadecimal; a part of a version must be less than 2**30
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
            # The phase `test` of the component runs on an instance of the new image.
            image_tests_configuration=ImagebuilderImagePipelineImageTestsConfiguration(
                image_tests_enabled=True
            ),
            # It would need Systems Manager's inventory, which does not know Debian 13.
            enhanced_image_metadata_enabled=False,
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
        recipe = ImagebuilderImageRecipe(
            self,
            "recipe",
            name=name,
            version=UNVERSIONED,
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
        recipe.version = _version(recipe, parent, [component.component_arn])
        return recipe

    @property
    def arn(self) -> str:
        return self._pipeline.arn


def _component(arn: str, payload_uri: str) -> ImagebuilderImageRecipeComponent:
    payload = ImagebuilderImageRecipeComponentParameter(name=PAYLOAD_URI, value=payload_uri)
    return ImagebuilderImageRecipeComponent(component_arn=arn, parameter=[payload])


def _version(recipe: ImagebuilderImageRecipe, parent: DataAwsAmi, later: Sequence[str]) -> str:
    """`1.<date of the parent image>.<digest>`: other content of the recipe is another version.

    Image Builder refuses a second recipe with the same name and version. The digest covers the
    arguments of the recipe as synthesized, and what Terraform learns `later`, such as ARNs.
    """
    held = Tokenization.resolve(
        recipe.to_terraform(),
        preparing=False,
        resolver=DefaultTokenResolver(StringConcat()),
        scope=recipe,
    )
    text = json.dumps(_without_notes(held), sort_keys=True)
    facts = [str(zlib.crc32(text.encode())), parent.id, parent.name, *later]
    digest = Fn.substr(Fn.sha256(Fn.join("|", facts)), 0, DIGEST_DIGITS)
    date = Fn.parseint(Token.as_string(Fn.element(Fn.split("-", parent.name), 3)), 10)
    return f"1.{Token.as_string(date)}.{Token.as_string(Fn.parseint(digest, 16))}"


def _without_notes(value: object) -> object:
    """Terraform's JSON without CDKTF's own notes, which are no part of the recipe."""
    if isinstance(value, dict):
        return {key: _without_notes(item) for key, item in value.items() if key != "//"}
    return [_without_notes(item) for item in value] if isinstance(value, list) else value

"""Image Builder takes every change of the image: a changed recipe has another version."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cdktf import App, TerraformStack
from cdktf_cdktf_provider_aws.provider import AwsProvider

from c4.image import component, pipeline
from c4.image.component import ProvisioningComponent
from c4.image.pipeline import Pipeline
from common.sip_packages import SipPackages

ARGUMENTS: dict[str, Any] = {
    "name": "c4-demo-image",
    "region": "eu-central-1",
    "image_name": "c4-debian13-*",
    "disk_gb": 8,
    "payload_uri": "s3://bucket/payload.tar.gz",
    "infrastructure_arn": "arn:aws:imagebuilder:eu-central-1:123456789012:infrastructure/x",
    "tags": {"c4:deployment": "demo"},
}
# One change for each argument that ends up in the recipe.
ARGUMENT_CHANGES: dict[str, dict[str, Any]] = {
    "name": {"name": "c4-prod-image"},
    "region": {"region": "eu-west-1"},  # the agent is downloaded there
    "disk": {"disk_gb": 12},
    "payload": {"payload_uri": "s3://other/payload.tar.gz"},
}
CONSTANT_CHANGES = {
    "ROOT_DEVICE": "/dev/sda1",
    "INSTALL_AGENT": "#!/bin/sh\n",
    "PAYLOAD_URI": "Uri",
}
STEPS = "steps"
Recipes = dict[str, dict[str, Any]]


def _stack(app: App, id_: str, /, **changed: Any) -> None:
    stack = TerraformStack(app, id_)
    AwsProvider(stack, "aws", region="eu-central-1")
    provisioning = ProvisioningComponent(
        stack, "provisioning", name="c4-demo-image", sip_packages=SipPackages.DEBIAN13
    )
    Pipeline(stack, "pipeline", component_arn=provisioning.arn, **{**ARGUMENTS, **changed})


def _only(folder: Path, stack: str, kind: str) -> dict[str, Any]:
    document = json.loads((folder / f"stacks/{stack}/cdk.tf.json").read_text())
    (made,) = document["resource"][kind].values()
    del made["//"]
    result: dict[str, Any] = made
    return result


@pytest.fixture(scope="module")
def digested() -> list[Any]:
    """What the version of each recipe was made of, in the order of the stacks."""
    return []


@pytest.fixture(scope="module")
def synthesized_recipes(
    tmp_path_factory: pytest.TempPathFactory, digested: list[Any]
) -> tuple[Recipes, Recipes]:
    """Recipes and components by stack: the first, the same again, and one for each change."""
    folder = tmp_path_factory.mktemp("recipes")
    app = App(outdir=str(folder))
    original = pipeline._without_notes

    def spy(value: Any) -> object:
        if isinstance(value, dict) and "resource" in value:
            digested.append(copy.deepcopy(value["resource"]))
        return original(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_without_notes", spy)
        _stack(app, "first")
        _stack(app, "again")
        for name, changed in ARGUMENT_CHANGES.items():
            _stack(app, name, **changed)
        for name, value in CONSTANT_CHANGES.items():
            with patch.context() as constant:
                constant.setattr(pipeline, name, value)
                _stack(app, name)
        patch.setattr(component, "TEST", ("true",))
        _stack(app, STEPS)
    app.synth()
    stacks = ["first", "again", *ARGUMENT_CHANGES, *CONSTANT_CHANGES, STEPS]
    recipes = {name: _only(folder, name, "aws_imagebuilder_image_recipe") for name in stacks}
    components = {name: _only(folder, name, "aws_imagebuilder_component") for name in stacks}
    return recipes, components


@pytest.fixture(scope="module")
def recipes(synthesized_recipes: tuple[Recipes, Recipes]) -> Recipes:
    return synthesized_recipes[0]


def test_equal_content_is_the_same_version(recipes: Recipes) -> None:
    assert recipes["again"] == recipes["first"]


@pytest.mark.parametrize("changed", [*ARGUMENT_CHANGES, *CONSTANT_CHANGES])
def test_other_content_is_another_version(recipes: Recipes, changed: str) -> None:
    first, other = recipes["first"], recipes[changed]
    assert {**other, "version": ""} != {**first, "version": ""}
    assert other["version"] != first["version"]


def test_every_part_of_the_recipe_is_in_its_version(recipes: Recipes, digested: list[Any]) -> None:
    """Also a part that somebody adds later: the digest is made of the recipe as it was written."""
    ((content,),) = (recipe.values() for recipe in digested[0].values())
    unimportant = ("//", "version")
    assert {k: v for k, v in content.items() if k not in unimportant} == {
        k: v for k, v in recipes["first"].items() if k not in unimportant
    }


def test_terraform_adds_what_it_learns_later(recipes: Recipes) -> None:
    """A newer image of Debian, or another version of the component, is another recipe."""
    version = recipes["first"]["version"]
    (used,) = recipes["first"]["component"]
    for reference in (recipes["first"]["parent_image"], used["component_arn"]):
        assert reference.removeprefix("${").removesuffix("}") in version


def test_a_changed_step_is_another_component(
    synthesized_recipes: tuple[Recipes, Recipes],
) -> None:
    _, components = synthesized_recipes
    assert components[STEPS]["version"] != components["first"]["version"]
    assert components["again"] == components["first"]

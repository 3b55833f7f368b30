"""Network interfaces of new instances have the tags that the launch template gives them.

A role may use an interface only if it has these tags.

Upstream: no issue known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ec2.models import EC2Backend

from lab.aws.views import launch_template_data


def _tag_interfaces(ec2: Any, instance: Any) -> None:
    for specification in launch_template_data(ec2, instance).get("TagSpecifications") or ():
        if specification["ResourceType"] == "network-interface":
            tags = {tag["Key"]: tag["Value"] for tag in specification["Tags"]}
            for nic in instance.nics.values():
                ec2.create_tags([nic.id], tags)


def apply(put: Callable[[Any, str, Any], None]) -> None:
    run: Any = EC2Backend.run_instances

    def run_instances(self: EC2Backend, *arguments: Any, **options: Any) -> Any:
        reservation = run(self, *arguments, **options)
        for instance in reservation.instances:
            _tag_interfaces(self, instance)
        return reservation

    put(EC2Backend, "run_instances", run_instances)

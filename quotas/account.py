"""What an AWS account may have, and what others than this deployment use of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import boto3.session
from botocore.exceptions import ClientError

from common.names import TAG_DEPLOYMENT, resource_name
from quotas.needs import Quota, vcpu_code

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

GLOBAL_REGION: Final = "us-east-1"  # where quotas of global services are
GLOBAL_SERVICES: Final = frozenset({"iam", "route53"})
TAGS_AT_ONCE: Final = 10  # resources in one ListTagsForResources
ABSENT: Final = frozenset({"NoSuchResourceException"})
FORBIDDEN: Final = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})


class Account:
    """Reads one region of the account whose credentials the environment has.

    Everything here only reads. Raises `botocore`'s errors.
    """

    def __init__(self, region: str, deployment: str) -> None:
        self._region, self._deployment = region, deployment
        self._session = boto3.session.Session()
        self._vcpus: dict[str, int] = {}

    def _client(self, service: str, region: str | None = None) -> Any:
        return self._session.client(service, region_name=region or self._region)  # type: ignore[call-overload]

    def vcpus(self, types: Iterable[str]) -> Mapping[str, int]:
        """Default vCPUs of EC2 instance types. An unknown type is a `ClientError`."""
        unknown = sorted(set(types) - self._vcpus.keys())
        if unknown:
            pages = self._client("ec2").get_paginator("describe_instance_types")
            for page in pages.paginate(InstanceTypes=unknown):
                for one in page["InstanceTypes"]:
                    self._vcpus[one["InstanceType"]] = one["VCpuInfo"]["DefaultVCpus"]
        return self._vcpus

    def allowed(self, quota: Quota) -> tuple[int, bool]:
        """The value of a quota, and whether the account told it: else it is AWS's default."""
        region = GLOBAL_REGION if quota.service in GLOBAL_SERVICES else self._region
        client = self._client("service-quotas", region)
        for ask in (client.get_service_quota, client.get_aws_default_service_quota):
            try:
                answer = ask(ServiceCode=quota.service, QuotaCode=quota.code)
            except (ClientError, NotImplementedError) as error:
                if _code(error) not in ABSENT | FORBIDDEN | {""}:
                    raise
            else:
                return int(answer["Quota"]["Value"]), True
        return quota.default, False

    def used_by_others(self, quota: Quota) -> int:
        """How much of a quota is in use, without what this deployment has already."""
        if quota.counted is None:
            return 0
        count: Callable[[Quota], int] = getattr(self, f"_{quota.counted}")
        return count(quota)

    def _others(self, described: Iterable[Mapping[str, Any]]) -> int:
        return sum(1 for one in described if not self._is_own(one.get("Tags", ())))

    def _is_own(self, tags: Iterable[Mapping[str, Any]]) -> bool:
        return any(
            tag["Key"] == TAG_DEPLOYMENT and tag["Value"] == self._deployment for tag in tags
        )

    def _pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        pages = self._client(service).get_paginator(operation).paginate(**arguments)
        return [one for page in pages for one in page[key]]

    def _addresses(self, _: Quota) -> int:
        return self._others(self._client("ec2").describe_addresses()["Addresses"])

    def _nat_gateways(self, _: Quota) -> int:
        """In the zone with the most."""
        alive: list[FilterTypeDef] = [{"Name": "state", "Values": ["pending", "available"]}]
        found = self._pages("ec2", "describe_nat_gateways", "NatGateways", Filter=alive)
        subnets = {
            one["SubnetId"]: one["AvailabilityZone"]
            for one in self._pages("ec2", "describe_subnets", "Subnets")
        }
        zones = [
            subnets.get(one["SubnetId"]) for one in found if not self._is_own(one.get("Tags", ()))
        ]
        return max((zones.count(zone) for zone in zones), default=0)

    def _vpcs(self, _: Quota) -> int:
        return self._others(self._pages("ec2", "describe_vpcs", "Vpcs"))

    def _internet_gateways(self, _: Quota) -> int:
        return self._others(self._pages("ec2", "describe_internet_gateways", "InternetGateways"))

    def _gateway_endpoints(self, _: Quota) -> int:
        found = self._pages("ec2", "describe_vpc_endpoints", "VpcEndpoints")
        return self._others(one for one in found if one["VpcEndpointType"] == "Gateway")

    def _security_groups(self, _: Quota) -> int:
        return self._others(self._pages("ec2", "describe_security_groups", "SecurityGroups"))

    def _running_vcpus(self, quota: Quota) -> int:
        live: list[FilterTypeDef] = [
            {"Name": "instance-state-name", "Values": ["pending", "running"]}
        ]
        reservations = self._pages("ec2", "describe_instances", "Reservations", Filters=live)
        types = [
            instance["InstanceType"]
            for reservation in reservations
            for instance in reservation["Instances"]
            if not self._is_own(instance.get("Tags", ()))
            and instance.get("InstanceLifecycle") != "spot"
            and vcpu_code(instance["InstanceType"]) == quota.code
        ]
        vcpus = self.vcpus(types)
        return sum(vcpus[kind] for kind in types)

    def _groups(self, _: Quota) -> int:
        return self._others(
            self._pages("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups")
        )

    def _databases(self, _: Quota) -> int:
        found = self._pages("rds", "describe_db_instances", "DBInstances")
        return sum(1 for one in found if not self._is_own(one.get("TagList", ())))

    def _roles(self, _: Quota) -> int:
        own = f"{resource_name(self._deployment)}-"  # a list of roles does not tell their tags
        found = self._pages("iam", "list_roles", "Roles")
        return sum(1 for one in found if not one["RoleName"].startswith(own))

    def _health_checks(self, _: Quota) -> int:
        ids = [one["Id"] for one in self._pages("route53", "list_health_checks", "HealthChecks")]
        others = 0
        for first in range(0, len(ids), TAGS_AT_ONCE):
            answer = self._client("route53").list_tags_for_resources(
                ResourceType="healthcheck", ResourceIds=ids[first : first + TAGS_AT_ONCE]
            )
            others += self._others(answer["ResourceTagSets"])
        return others


def _code(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""

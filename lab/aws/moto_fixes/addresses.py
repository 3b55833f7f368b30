"""Public addresses are from 203.0.113.0/24, have one owner, and are freed with their instance.

Upstream: getmoto/moto#212 (closed) asked for addresses of one's own choice; no issue known about
Elastic IPs that stay with a terminated instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models import elastic_ip_addresses as eip
from moto.ec2.models import elastic_network_interfaces as eni

from lab.aws.views import backends
from lab.names import ELASTIC_IPS


def used() -> set[str]:
    """Public addresses that are in use in any region."""
    taken: set[str] = set()
    for _, ec2 in backends("ec2"):
        taken |= {address.public_ip for address in ec2.addresses}
        taken |= {nic.public_ip for nic in ec2.enis.values() if nic.public_ip}
    return taken


def free_address() -> str:
    """An unused public address; raises `RuntimeError` when all are taken."""
    taken = used()
    for address in ELASTIC_IPS.hosts():
        if str(address) not in taken:
            return str(address)
    raise RuntimeError(f"all addresses of {ELASTIC_IPS} are in use")


def release(ec2: Any, instance_ids: Iterable[str]) -> None:
    """Disassociate the Elastic IPs of instances, as EC2 does when they terminate."""
    for address in ec2.addresses:
        if address.instance is not None and address.instance.id in instance_ids:
            address.eni.public_ip = None
            address.eni = address.instance = address.association_id = None


def apply(put: Callable[[Any, str, Any], None]) -> None:
    terminate: Any = EC2Backend.terminate_instances

    def terminate_and_release(self: EC2Backend, instance_ids: list[str]) -> Any:
        done = terminate(self, instance_ids)
        release(self, instance_ids)
        return done

    put(EC2Backend, "terminate_instances", terminate_and_release)
    for module in (eip, eni):
        for name in ("random_ip", "random_public_ip"):
            if hasattr(module, name):
                put(module, name, free_address)

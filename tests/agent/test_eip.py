"""Does every instance get an Elastic IP of its own, whatever the others do meanwhile?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from agent.aws import eip
from agent.errors import AgentError
from agent.kamailio import tier_addresses
from common import paths
from common.topology import Role
from testbed.agent_samples import config

IMAGE = "ami-12c6146b"  # any that moto knows
Tags = dict[str, str]


def _instances(ec2: Any, count: int) -> list[str]:
    launched = ec2.run_instances(ImageId=IMAGE, MinCount=count, MaxCount=count)["Instances"]
    return [instance["InstanceId"] for instance in launched]


def _pool(ec2: Any, tags: Tags, count: int) -> list[str]:
    tag_list = [{"Key": key, "Value": value} for key, value in tags.items()]
    specification = [{"ResourceType": "elastic-ip", "Tags": tag_list}]
    return [
        ec2.allocate_address(Domain="vpc", TagSpecifications=specification)["PublicIp"]
        for _ in range(count)
    ]


@pytest.fixture
def ec2(aws: str) -> Any:
    return boto3.client("ec2", region_name=aws)


@pytest.fixture
def tags(tenant: str) -> Tags:
    return {"c4:deployment": "demo", "c4:tenant": tenant, "c4:role": "sbc"}


def test_instances_that_boot_together_get_different_addresses(ec2: Any, tags: Tags) -> None:
    pool, instances = _pool(ec2, tags, 4), _instances(ec2, 4)
    with ThreadPoolExecutor(len(instances)) as executor:
        claims = executor.map(lambda i: str(eip.claim(ec2, tags, i)), instances)
        assert sorted(claims) == sorted(pool)


def test_a_claim_is_repeatable(ec2: Any, tags: Tags) -> None:
    _pool(ec2, tags, 3)
    (instance,) = _instances(ec2, 1)
    assert eip.claim(ec2, tags, instance) == eip.claim(ec2, tags, instance)
    associated = [a for a in eip._pool(ec2, tags) if a.get("AssociationId")]
    assert len(associated) == 1


def test_an_address_that_another_instance_took_meanwhile_is_not_stolen(
    ec2: Any, tags: Tags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look at the pool and our choice, the other one is faster."""
    _pool(ec2, tags, 2)
    first, second = _instances(ec2, 2)
    before = eip._pool(ec2, tags)
    taken = eip.claim(ec2, tags, first)
    views = iter([before])
    real = eip._pool
    monkeypatch.setattr(eip, "_pool", lambda e, t: next(views, None) or real(e, t))
    assert eip.claim(ec2, tags, second) != taken
    monkeypatch.undo()
    assert eip.claim(ec2, tags, first) == taken


def test_addresses_of_other_tiers_and_tenants_are_left_alone(ec2: Any, tags: Tags) -> None:
    _pool(ec2, {**tags, "c4:role": "rtp"}, 1)
    _pool(ec2, {**tags, "c4:tenant": "globex"}, 1)
    (own,) = _pool(ec2, tags, 1)
    (instance,) = _instances(ec2, 1)
    assert str(eip.claim(ec2, tags, instance)) == own


def test_an_exhausted_pool_is_said_and_a_freed_address_is_found(ec2: Any, tags: Tags) -> None:
    _pool(ec2, tags, 1)
    first, second = _instances(ec2, 2)
    address = eip.claim(ec2, tags, first)
    with pytest.raises(eip.NoFreeAddress, match="no free Elastic IP among 1 of the tier"):
        eip.claim(ec2, tags, second)
    ec2.disassociate_address(PublicIp=str(address))
    assert eip.claim(ec2, tags, second) == address


def test_a_replacement_takes_over_the_address_of_the_dead(ec2: Any, tags: Tags) -> None:
    """Calls of the dead SBC go on where its address is; the rest of the pool was never used."""
    _pool(ec2, tags, 8)
    instances = _instances(ec2, 5)
    held = {instance: eip.claim(ec2, tags, instance) for instance in instances[:3]}
    for dead, replacement in zip(instances[:2], instances[3:], strict=True):
        ec2.disassociate_address(PublicIp=str(held[dead]))
        assert eip.claim(ec2, tags, replacement) == held[dead]


def test_a_replacement_takes_over_the_address_of_the_dead_after_others_were_left(
    ec2: Any, tags: Tags
) -> None:
    """A rolling replacement leaves addresses behind on which no call goes on."""
    _pool(ec2, tags, 6)
    old, new, late, replacement = _instances(ec2, 4)
    left = eip.claim(ec2, tags, old)
    held = [eip.claim(ec2, tags, instance) for instance in (new, late)]
    eip.unmark_held(ec2, tags, old)
    ec2.disassociate_address(PublicIp=str(left))
    ec2.disassociate_address(PublicIp=str(held[1]))
    assert eip.claim(ec2, tags, late) == held[1]
    ec2.disassociate_address(PublicIp=str(held[0]))
    assert eip.claim(ec2, tags, replacement) == held[0]


def test_a_refusal_of_ec2_is_one_line(ec2: Any, tags: Tags) -> None:
    _pool(ec2, tags, 1)
    with pytest.raises(AgentError, match="InvalidInstanceID") as caught:
        eip.claim(ec2, tags, "i-0000000000000dead")
    assert "\n" not in str(caught.value)


def test_the_table_names_the_whole_pool_and_nobody_elses(
    ec2: Any, tags: Tags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses without an instance too: their SBC may have died, or come later."""
    monkeypatch.setattr(paths, "KAMAILIO", tmp_path)
    own = _pool(ec2, tags, 3)
    _pool(ec2, tags | {"c4:role": "rtp"}, 1)
    eip.claim(ec2, tags, _instances(ec2, 1)[0])
    settings = config(role=Role.SBC, tags=tags)
    assert tier_addresses.refresh(settings)
    rows = (tmp_path / "domain").read_text().splitlines()[1:]
    assert sorted(row.split(":")[1] for row in rows) == sorted(own)
    assert not tier_addresses.refresh(settings)
    own += _pool(ec2, tags, 1)
    assert tier_addresses.refresh(settings)
    assert all(address in (tmp_path / "domain").read_text() for address in own)


def test_an_empty_answer_leaves_the_last_table(
    aws: str, tags: Tags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "KAMAILIO", tmp_path)
    (tmp_path / "domain").write_text("last")
    with pytest.raises(AgentError, match="pool of Elastic IPs"):
        tier_addresses.refresh(config(role=Role.SBC, tags=tags))
    assert (tmp_path / "domain").read_text() == "last"

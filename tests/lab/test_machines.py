"""Machines of a small lab: booted, reached, killed, replaced, and removed without trace."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.api import Lab, Machine
from lab.machines import cgroups

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]

BOOT_LIMIT = 90.0  # seconds, on a busy machine
USER_DATA = """\
## template: jinja
#cloud-config
write_files:
- path: /etc/facts
  content: "{{ ds.meta_data.local_ipv4 }} {{ ds.meta_data.tags.instance.Role }}"
runcmd:
- [touch, /run/user-data-ran]
"""


def wait(what: Callable[[], Any], limit: float = BOOT_LIMIT) -> Any:
    """The first true value of `what`."""
    deadline = time.monotonic() + limit
    while not (value := what()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)
    return value


def make_group(lab: Lab, size: int) -> None:
    """A group of `size` instances over two zones, UDP 5060 open to everybody."""
    ec2 = lab.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.99.{n}.0/24", AvailabilityZone=f"{lab.region}{z}"
        )
        for n, z in enumerate("ab", 1)
    ]
    group = ec2.create_security_group(GroupName="sip", Description="sip", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "udp",
                "FromPort": 5060,
                "ToPort": 5060,
                "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            }
        ],
    )
    image = ec2.describe_images(Owners=["self"])["Images"][0]["ImageId"]
    template = ec2.create_launch_template(
        LaunchTemplateName="t",
        LaunchTemplateData={
            "ImageId": image,
            "InstanceType": "t3.small",
            "UserData": base64.b64encode(USER_DATA.encode()).decode(),
            "SecurityGroupIds": [group],
            "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    lab.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="g",
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=size,
        VPCZoneIdentifier=",".join(s["Subnet"]["SubnetId"] for s in subnets),
        LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
        Tags=[{"Key": "Role", "Value": "test", "PropagateAtLaunch": True}],
    )


def traces(lab: Lab) -> list[str]:
    """What a lab has on this host, save its logs."""
    prefix = lab.names.prefix
    found = [str(p) for d in ("/run/netns", "/etc/netns") for p in Path(d).glob(f"{prefix}*")]
    found += [m for m in Path("/proc/self/mounts").read_text().split() if str(lab.names.state) in m]
    group = cgroups.root() / lab.names.cgroup
    found += [str(group)] if group.exists() else []
    propagate = Path("/run/systemd/nspawn/propagate")
    found += [str(p) for p in propagate.glob(f"{lab.names.lab}-*")]
    found += [str(p) for p in lab.names.state.glob("*") if p != lab.log_dir]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().split(b"\0")
        except OSError:
            continue
        if f"--machine={lab.names.lab}-".encode() in b" ".join(words):
            found.append(str(process))
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab("unittest")
    lab.down()
    lab.up()
    try:
        make_group(lab, 2)
        wait(lambda: [m.state for m in lab.machines()] == ["running", "running"])
        yield lab
    finally:
        lab.down()
        assert traces(lab) == []
        shutil.rmtree(lab.names.state)


def machines(lab: Lab) -> list[Machine]:
    """Both machines, once both run."""
    found: list[Machine] = wait(
        lambda: [m.state for m in lab.machines()] == ["running", "running"] and lab.machines()
    )
    return found


def test_user_data_ran_with_the_instance_s_own_facts(lab: Lab) -> None:
    for machine in machines(lab):
        assert lab.exec(machine, ["cat", "/etc/facts"]).stdout == f"{machine.private_ip} test"
        assert lab.exec(machine, ["test", "-e", "/run/user-data-ran"]).returncode == 0
        status = lab.exec(machine, ["systemctl", "is-system-running", "--wait"], timeout=60)
        assert status.stdout.strip() == "running"


def test_the_aws_api_is_there_under_its_own_name_and_certificate(lab: Lab) -> None:
    url = "https://ec2.eu-central-1.amazonaws.com/"
    done = lab.exec(
        machines(lab)[0], ["curl", "--silent", "--show-error", "--output", "/dev/null", url]
    )
    assert done.returncode == 0, done.stderr


LISTEN = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(4096)
    s.sendto(peer[0].encode(), peer)
"""
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.sendto(b"x" * int(sys.argv[3]), (sys.argv[1], int(sys.argv[2])))
try:
    print(s.recvfrom(4096)[0].decode())
except TimeoutError:
    print("silence")
"""


def test_elastic_ip_and_security_group(lab: Lab) -> None:
    target = machines(lab)[0]
    ec2 = lab.client("ec2")
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=target.instance_id)
    host = lab.host("carrier", "198.51.100.10")
    servers = [
        lab.popen(target, ["python3", "-c", LISTEN, str(port)], stdout=-1) for port in (5060, 5061)
    ]
    try:
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"

        def ask(to: str, port: int, size: int = 10) -> str:
            return host.run(["python3", "-c", ASK, to, str(port), str(size)]).stdout.strip()

        public = address["PublicIp"]
        wait(lambda: ask(public, 5060) == "198.51.100.10", limit=10)
        assert ask(public, 5060, size=4000) == "198.51.100.10"  # in fragments
        assert ask(public, 5061) == "silence"  # no rule lets it in
        assert ask(target.private_ip, 5060) == "silence"  # private addresses end at the gateway
    finally:
        for server in servers:
            server.kill()
            server.wait()
        ec2.disassociate_address(PublicIp=address["PublicIp"])


def test_a_dead_machine_is_replaced(lab: Lab) -> None:
    victim, other = machines(lab)
    lab.kill(victim)
    wait(lambda: victim.instance_id not in {m.instance_id for m in lab.machines()}, limit=10)
    ids = {m.instance_id for m in machines(lab)}
    assert len(ids) == 2
    assert other.instance_id in ids


def test_nothing_is_left_after_the_daemon_was_killed(lab: Lab) -> None:
    machines(lab)
    left = [
        lab.cloud_popen(["sleep", "1000"]),
        lab.host("pbx", "198.51.100.20").popen(["sleep", "1000"]),
    ]
    os.kill(lab._status()["pid"], signal.SIGKILL)
    wait(lambda: not lab.running, limit=10)
    assert traces(lab) != []
    lab.down()
    assert traces(lab) == []
    assert [p.wait(5) for p in left] == [-signal.SIGKILL] * 2

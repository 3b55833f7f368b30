"""What the demo without machines shows of an instance: its files, and Kamailio's word on them."""

from __future__ import annotations

import io
from contextlib import nullcontext
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from agent.errors import AgentError
from common import paths
from common.names import TAG_ROLE, TAG_TENANT, files_bucket
from common.topology import Tier
from demo import boot_files, kamailio_check, without_machines
from host import abilities
from host.command_error import CommandError
from lab.aws.views import InstanceView
from lab.names import ACCOUNT, Names
from rendering import user_data
from settings import load

FACTS = {
    "{{ v1.instance_id }}": "i-0123456789abcdef0",
    "{{ v1.region }}": "eu-central-1",
    "{{ v1.availability_zone }}": "eu-central-1a",
    "{{ ds.meta_data.local_ipv4 }}": "10.40.4.5",
    "{{ ds.dynamic.instance_identity.document.accountId }}": ACCOUNT,
}


def stored(region: str, bucket: str, key: str) -> bytes:
    """The SBC's files, from where Terraform has put them."""
    assert (region, bucket) == ("eu-central-1", files_bucket("demo", ACCOUNT))
    deployment = load("demo")
    made = user_data.for_tier(deployment, deployment.tenants[0], Tier.SBC).bundle
    assert key == made.key
    return made.data


@pytest.fixture
def sbc() -> InstanceView:
    """An SBC of the demo, as the API has launched it."""
    deployment = load("demo")
    tenant = deployment.tenants[0]
    return InstanceView(
        id="i-0123456789abcdef0", region="eu-central-1", zone="eu-central-1a", image_id="ami-1",
        instance_type="t3.medium", launched=datetime.now(UTC), private_ip=IPv4Address("10.40.4.5"),
        public_ip=None, mac="02:00:00:00:00:01", interface_id="eni-1", subnet_id="subnet-1",
        subnet=IPv4Network("10.40.0.0/20"), vpc_id="vpc-1", vpc=IPv4Network("10.40.0.0/16"),
        user_data=user_data.for_tier(deployment, tenant, Tier.SBC).compressed,
        tags={TAG_TENANT: tenant.name, TAG_ROLE: str(Tier.SBC)},
    )  # fmt: skip


def test_files_are_those_of_the_user_data_with_the_facts_filled_in(
    sbc: InstanceView, tmp_path: Path
) -> None:
    deployment = load("demo")
    expected = user_data.for_tier(deployment, deployment.tenants[0], Tier.SBC).files

    assert boot_files.title(sbc) == "acme-sbc-i-0123456789abcdef0"
    assert boot_files.write(sbc, tmp_path, stored) == len(expected)

    for file in expected:
        text = file.content
        if Path(file.path).parent != paths.LISTS:
            for name, value in FACTS.items():
                text = text.replace(name, value)
        assert (tmp_path / file.path.lstrip("/")).read_text() == text, file.path
    other = list(yaml.safe_load_all((tmp_path / boot_files.OTHER).read_text()))
    assert ["systemctl", "start", "--no-block", "c4-bundle.service"] in other[0]["runcmd"]


def test_other_files_than_those_that_user_data_names_are_refused(
    sbc: InstanceView, tmp_path: Path
) -> None:
    with pytest.raises(AgentError, match="is not what user data names"):
        boot_files.write(sbc, tmp_path, lambda *_: b"other")


def test_kamailio_checks_files_that_name_each_other(
    sbc: InstanceView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot_files.write(sbc, tmp_path / "sbc", stored)
    program = tmp_path / "kamailio"
    program.write_text('#!/bin/sh\n[ -f "$3" ] && echo "ERROR: looked at $3" && exit 255\n')
    program.chmod(0o755)
    monkeypatch.setattr(kamailio_check, "find", lambda: str(program))

    said = kamailio_check.check(tmp_path / "sbc")

    root = (tmp_path / "sbc").resolve()
    assert said == f"ERROR: looked at {root}{paths.KAMAILIO_CFG}"
    config = (root / str(paths.KAMAILIO_CFG).lstrip("/")).read_text()
    assert f'"{root}{paths.LOCAL_CFG}"' in config
    assert f'"{paths.LOCAL_CFG}"' not in config
    local = (root / str(paths.LOCAL_CFG).lstrip("/")).read_text()
    assert "#!define PRIVATE_IP 10.40.4.5\n" in local


@pytest.mark.parametrize(
    ("version", "obstacle"),
    [
        ("version: kamailio 6.0.1 (x86_64/linux)", ""),
        ("version: kamailio 10.0.0 (x86_64/linux)", ""),
        ("version: kamailio 5.6.3 (x86_64/linux)", "kamailio 5.6 is too old"),
    ],
)
def test_kamailio_is_old_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, obstacle: str
) -> None:
    program = tmp_path / "kamailio"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(kamailio_check, "find", lambda: str(program))

    assert kamailio_check.obstacle().startswith(obstacle)
    assert bool(kamailio_check.obstacle()) == bool(obstacle)


def test_no_kamailio_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kamailio_check, "find", lambda: None)

    assert "there is no `kamailio`" in kamailio_check.obstacle()


class FakeLab:
    """A lab whose Terraform does what it is told; one SBC exists until it is destroyed."""

    def __init__(self, sbc: InstanceView, *, changed: str = "") -> None:
        self.calls: list[str] = []
        self._sbc = sbc
        self._changed = changed

    def apply(self, stack: str, synth_dir: Path, progress: object) -> None:
        self.calls.append(f"apply {stack}")

    def changes(self, stack: str, synth_dir: Path, progress: object) -> bool:
        self.calls.append(f"plan {stack}")
        return stack == self._changed

    def destroy(self, stack: str, synth_dir: Path, progress: object) -> None:
        self.calls.append(f"destroy {stack}")

    def stored(self, region: str, bucket: str, key: str) -> bytes:
        return stored(region, bucket, key)

    def instances(self) -> list[InstanceView]:
        return [] if "destroy network" in self.calls else [self._sbc]


def shown(lab: FakeLab, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the demo without machines prints on such a lab."""
    monkeypatch.setenv("C4_LAB_DIR", str(folder))
    monkeypatch.setattr(without_machines, "synth", lambda *_: None)
    monkeypatch.setattr(without_machines, "loopback_lab", lambda _: nullcontext(lab))
    monkeypatch.setattr(kamailio_check, "find", lambda: None)
    monkeypatch.setattr(abilities, "missing", lambda: ("you are not root",))
    console = Console(file=io.StringIO(), width=140)
    without_machines.up(console, Names("demo"), load("demo"), Path("demo.yaml"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_demo_without_machines_says_that_no_call_was_placed(
    sbc: InstanceView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = FakeLab(sbc)
    said = shown(lab, tmp_path, monkeypatch)

    assert lab.calls == [
        "apply network", "apply consul", "apply acme", "plan network", "plan consul", "plan acme",
        "destroy acme", "destroy consul", "destroy network",
    ]  # fmt: skip
    assert "NO CALL WAS PLACED: no machine can boot here (you are not root)." in said
    assert "docker run --privileged" in said.partition("NO CALL")[2]
    assert "were not checked: there is no `kamailio`" in said
    folder = tmp_path / "demo-without-machines/instances/acme-sbc-i-0123456789abcdef0"
    assert (folder / str(paths.KAMAILIO_CFG).lstrip("/")).is_file()


def test_a_second_plan_that_is_not_empty_fails(
    sbc: InstanceView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="a second plan of consul is not empty"):
        shown(FakeLab(sbc, changed="consul"), tmp_path, monkeypatch)

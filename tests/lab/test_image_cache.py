"""Things made once: whole or not at all, named by what went into them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from common.sip_packages import SipPackages
from host.caches import build_once, digest, prune
from host.errors import HostError
from image import layers, payload


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("C4_LAB_DIR", str(tmp_path / "labs"))
    return tmp_path / "cache"


def test_interrupted_build_leaves_no_target_and_is_started_anew(tmp_path: Path) -> None:
    target = tmp_path / "made"

    def broken(part: Path) -> None:
        (part / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once(target, broken)
    assert not target.exists()
    assert build_once(target, lambda part: (part / "whole").touch())
    assert [p.name for p in target.iterdir()] == ["whole"]
    assert not build_once(target, broken)


def test_digest_follows_content_names_and_modes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    file = folder / "a"
    file.write_text("1")
    seen = {digest([folder])}
    file.write_text("2")
    seen.add(digest([folder]))
    file.rename(folder / "b")
    seen.add(digest([folder]))
    (folder / "b").chmod(0o755)
    seen.add(digest([folder]))
    assert len(seen) == 4
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/b.pyc").touch()
    assert digest([folder]) in seen


def test_prune_keeps_the_newest_and_those_in_use(tmp_path: Path) -> None:
    for age in range(6):
        entry = tmp_path / f"app-{age}"
        entry.mkdir()
        os.utime(entry, (1_000_000 - age, 1_000_000 - age))
    prune(tmp_path, "app-", keep={tmp_path / "app-5"}, most=2)
    assert sorted(p.name for p in tmp_path.glob("app-*")) == ["app-0", "app-1", "app-5"]


def test_prune_keeps_what_another_checkout_uses(tmp_path: Path) -> None:
    for name in ("app-a", "app-b", "app-c"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    assert not build_once(tmp_path / "app-b", lambda part: None)
    prune(tmp_path, "app-", keep=(), most=0)
    assert [p.name for p in tmp_path.glob("app-*")] == ["app-b"]


def test_layers_of_every_lab_are_in_use(tmp_path: Path) -> None:
    for lab in ("demo", "test"):
        config = tmp_path / "labs" / lab / "config.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"instance": [f"/x/{lab}"], "database": [], "boot": True}))
    assert layers._in_use() == {Path("/x/demo"), Path("/x/test")}


def test_every_file_of_a_stage_belongs_to_the_hash_of_a_layer() -> None:
    hashed = {file for stage in payload.STAGES for file in _files(*payload.stage_files(stage))}
    names = ("stages", "files", "kamailio-module", "kamailio-backport")
    folders = (payload.HERE / name for name in names)
    assert hashed == _files(*folders, payload.HERE / "provision.sh")


def test_stage_sees_its_own_files_only(tmp_path: Path) -> None:
    payload.copy_stages(tmp_path, "app")
    assert {str(p.relative_to(tmp_path)) for p in _files(tmp_path)} == {
        "provision.sh",
        "stages/common.sh",
        "stages/app.sh",
        "files/app/c4-agent",
        "files/app/c4-bundle.service",
        "files/app/hugepages.conf",
    }
    assert os.access(tmp_path / "provision.sh", os.X_OK)


def test_provisioning_script_knows_the_stages() -> None:
    script = payload.HERE / "provision.sh"
    done = subprocess.run([script, "rest"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    allowed = done.stderr.strip().partition("unknown stage 'rest'; allowed: ")[2]
    assert allowed.split(", ") == list(payload.STAGES)


def test_variant_of_the_image_is_checked_before_anything_is_built(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(layers.VARIABLE, "debian14")
    with pytest.raises(HostError, match="C4_SIP_PACKAGES: 'debian14'; allowed: debian13, back"):
        layers.build(print)
    assert not cache.exists()
    monkeypatch.setenv(layers.VARIABLE, "")
    assert layers.sip_packages() is SipPackages.DEBIAN13


@pytest.mark.parametrize("arguments", [[], ["testing"]])
def test_stage_os_names_the_allowed_sip_packages(arguments: list[str]) -> None:
    script = payload.HERE / "stages/os.sh"
    done = subprocess.run(["bash", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    allowed = done.stderr.strip().partition("; allowed: ")[2]
    assert allowed.split(", ") == list(SipPackages)


def test_packages_of_the_backport_are_named_by_hash() -> None:
    lines = (payload.HERE / "kamailio-backport/packages.txt").read_text().splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    assert all(len(sum_) == 64 and int(sum_, 16) for sum_, _ in entries)
    names = [Path(path).name.split("_") for _, path in entries]
    kamailio = {(name, version) for name, version, _ in names if name.startswith("kamailio")}
    assert len({version for _, version in kamailio}) == 1
    assert all(name.endswith(".deb") for *_, name in names)


def _files(*paths: Path) -> set[Path]:
    return {f for path in paths for f in (path, *path.rglob("*")) if f.is_file()}

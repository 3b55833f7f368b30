"""Do the programs of the image accept what we render for them?"""

from __future__ import annotations

import email
import json
from collections.abc import Iterator

import pytest

from common import kamailio, paths
from rendering import user_data
from rendering.user_data import UserData
from settings import Deployment
from testbed.image_root import INSTANCE, ImageRoot, as_booted, image_root

pytestmark = pytest.mark.lab

# The shape of cloud-init's instance data on EC2, as far as user data uses it.
INSTANCE_DATA = {
    "v1": {key.removeprefix("v1."): v for key, v in INSTANCE.items() if key.startswith("v1.")},
    "ds": {
        "meta_data": {"local_ipv4": INSTANCE["ds.meta_data.local_ipv4"]},
        "dynamic": {
            "instance_identity": {
                "document": {
                    "accountId": INSTANCE["ds.dynamic.instance_identity.document.accountId"]
                }
            }
        },
    },
}


@pytest.fixture
def root(rendered: UserData) -> Iterator[ImageRoot]:
    """The image with the role's files, as they lie there after cloud-init."""
    with image_root() as made:
        made.write(as_booted(rendered.files))
        yield made


def _parts(rendered: UserData) -> dict[str, str]:
    message = email.message_from_string(rendered.mime)
    leaves = (part for part in message.walk() if not part.is_multipart())
    return {str(p.get_filename()): str(p.get_payload()) for p in leaves}


def test_cloud_init_finds_the_user_data_valid(root: ImageRoot, rendered: UserData) -> None:
    root.write({"/instance-data.json": json.dumps(INSTANCE_DATA)})
    for name, text in _parts(rendered).items():
        root.write({"/part": text})
        if text.startswith("## template: jinja"):
            done = root.run("cloud-init", "devel", "render", "-i", "/instance-data.json", "/part")
            assert done.returncode == 0, done.stderr
            assert "MISSING_JINJA" not in done.stdout
            root.write({"/part": done.stdout})
        done = root.run("cloud-init", "schema", "--config-file", "/part")
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


def test_cloud_init_fills_in_the_facts(root: ImageRoot, rendered: UserData) -> None:
    """What its Jinja makes of the part is what the other tests here take for granted."""
    root.write(
        {"/instance-data.json": json.dumps(INSTANCE_DATA), "/part": _parts(rendered)["facts.yaml"]}
    )
    done = root.run("cloud-init", "devel", "render", "-i", "/instance-data.json", "/part")
    for file in rendered.files:
        if file.path == f"{paths.CONSUL_CONFIG}/node.json":
            expected = as_booted([file])[file.path].splitlines()
            assert all(line.strip() in done.stdout for line in expected)


def test_cloud_init_and_systemd_find_a_mistake(deployment: Deployment) -> None:
    with image_root() as root:
        root.write({"/part": "#cloud-config\nwrite_files:\n- pth: /etc/x\n"})
        assert root.run("cloud-init", "schema", "--config-file", "/part").returncode != 0
        files = as_booted(user_data.for_consul_server(deployment).files)
        name = f"{paths.UNITS}/consul.service"
        root.write(files | {name: files[name].replace("ExecStart=", "ExecStrat=")})
        done = root.run("systemd-analyze", "verify", "--man=no", f"{paths.UNITS}/c4.target")
        assert "ExecStrat" in done.stderr


def test_consul_finds_its_configuration_valid(root: ImageRoot) -> None:
    done = root.run("consul", "validate", str(paths.CONSUL_CONFIG))
    assert done.returncode == 0, done.stdout + done.stderr


def test_consul_finds_the_service_definition_valid(root: ImageRoot) -> None:
    if not root.at(paths.SERVICE).exists():
        pytest.skip("Consul servers register no service")
    root.run("cp", str(paths.SERVICE), str(paths.CONSUL_CONFIG))
    done = root.run("consul", "validate", str(paths.CONSUL_CONFIG))
    assert done.returncode == 0, done.stdout + done.stderr


def test_consul_template_parses_every_list(root: ImageRoot) -> None:
    if not root.at(paths.CONSUL_TEMPLATE).exists():
        pytest.skip("no lists on this role")
    # A development agent without services: every list renders, if only to nothing.
    script = f"""
        ip link set lo up
        consul agent -dev -log-level=error >/dev/null & agent=$!
        until consul members >/dev/null 2>&1; do sleep 0.1; done
        mkdir -p {paths.RENDERED}
        consul-template -config={paths.CONSUL_TEMPLATE} -once -dry
        status=$?
        kill $agent; wait $agent
        exit $status
    """
    done = root.run("sh", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    config = json.loads(root.at(paths.CONFIG).read_text())
    for name in config["lists"]:
        _, _, rendered = done.stdout.partition(f"> {paths.RENDERED}/{name}\n")
        assert f"\n{kamailio.LIST_END}\n" in rendered.partition("\n> ")[0] + "\n", done.stdout


def test_systemd_finds_every_unit_valid(root: ImageRoot) -> None:
    root.write({"/etc/machine-id": "0" * 31 + "1\n"})
    done = root.run("systemd-analyze", "verify", "--man=no", f"{paths.UNITS}/c4.target")
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if f"{paths.UNITS}/" in line]
    assert not ours, done.stderr

"""The steps of Image Builder on the build instance: our provisioning script, and then checks."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import yaml
from cdktf_cdktf_provider_aws.imagebuilder_component import ImagebuilderComponent
from constructs import Construct

from common import paths
from common.sip_packages import SipPackages

PAYLOAD = "payload.tar.gz"  # key of what `c4 image payload` writes
PAYLOAD_URI = "PayloadUri"
WORK = "/var/tmp/c4-image"
VALIDATE = (
    "set -eu",
    "kamailio -v",
    "rtpengine --version",
    "consul version",
    "consul-template -version",
    "c4-agent --help",
    f"test -s {paths.RDS_CA}",
    "if systemctl is-enabled kamailio.service; then exit 1; fi",
)
# On an instance of the new image, which nothing has configured yet.
TEST = (
    "set -eu",
    "cloud-init status --wait || test $? = 2",  # 2: done, with a recoverable error
    'failed=$(systemctl list-units --state=failed --plain --no-legend); echo "$failed"',
    'test -z "$failed"',
    *VALIDATE[1:],
)


class ProvisioningComponent(Construct):
    """Runs `provision.sh` of a payload through all its stages.

    The recipe says where the payload is, by the parameter `PAYLOAD_URI` (S3).
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, sip_packages: SipPackages) -> None:
        super().__init__(scope, id_)
        data = yaml.dump(_document(name, sip_packages), Dumper=yaml.CSafeDumper, sort_keys=False)
        self._component = ImagebuilderComponent(
            self,
            "component",
            name=name,
            platform="Linux",
            # Components are immutable: other content has another version.
            version=f"1.0.{zlib.crc32(data.encode()) % 2**30}",
            data=data,
        )

    @property
    def arn(self) -> str:
        return self._component.arn


def _build(sip_packages: SipPackages) -> tuple[str, ...]:
    return (
        "set -euo pipefail",
        f"cd {WORK}",
        "tar -xzf payload.tar.gz",
        f"bash ./provision.sh os {sip_packages}",
        f"bash ./provision.sh tools {WORK}/payload",
        f"bash ./provision.sh app {WORK}/payload",
        "cd /",
        f"rm -rf {WORK}",
    )


def _document(name: str, sip_packages: SipPackages) -> dict[str, object]:
    return {
        "name": name,
        "schemaVersion": "1.0",
        "parameters": [{PAYLOAD_URI: {"type": "string", "description": "archive in S3"}}],
        "phases": [
            {
                "name": "build",
                "steps": [
                    {
                        "name": "Folder",
                        "action": "CreateFolder",
                        "inputs": [{"path": WORK}],
                    },
                    {
                        "name": "Download",
                        "action": "S3Download",
                        "inputs": [
                            {
                                "source": f"{{{{ {PAYLOAD_URI} }}}}",
                                "destination": f"{WORK}/payload.tar.gz",
                            }
                        ],
                    },
                    _bash("Provision", _build(sip_packages)),
                ],
            },
            {"name": "validate", "steps": [_bash("Programs", VALIDATE)]},
            {"name": "test", "steps": [_bash("Boot", TEST)]},
        ],
    }


def _bash(name: str, commands: Sequence[str]) -> dict[str, object]:
    return {"name": name, "action": "ExecuteBash", "inputs": {"commands": list(commands)}}

"""The machine image that instances boot."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.data_aws_ami import DataAwsAmi, DataAwsAmiFilter
from constructs import Construct

from settings.image import Image


class MachineImage(Construct):
    """The pinned image, else the account's newest one whose name matches the settings."""

    def __init__(self, scope: Construct, id_: str, *, settings: Image) -> None:
        super().__init__(scope, id_)
        self.id: str = settings.id or _newest(self, settings.name)


def _newest(scope: Construct, name: str) -> str:
    return DataAwsAmi(
        scope,
        "newest",
        owners=["self"],
        most_recent=True,
        filter=[
            DataAwsAmiFilter(name="name", values=[name]),
            DataAwsAmiFilter(name="state", values=["available"]),
        ],
    ).id

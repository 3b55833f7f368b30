"""Public addresses that carriers know."""

from __future__ import annotations

from collections.abc import Mapping

from cdktf_cdktf_provider_aws.eip import Eip
from constructs import Construct


class AddressPool(Construct):
    """`count` Elastic IPs; each instance of the tier claims a free one by its tags at boot."""

    def __init__(
        self, scope: Construct, id_: str, *, name: str, count: int, tags: Mapping[str, str]
    ) -> None:
        super().__init__(scope, id_)
        self._addresses = [
            Eip(
                self,
                f"address_{number}",
                domain="vpc",
                tags={"Name": f"{name}-{number}", **tags},
            )
            for number in range(1, count + 1)
        ]

    @property
    def public_ips(self) -> list[str]:
        return [address.public_ip for address in self._addresses]

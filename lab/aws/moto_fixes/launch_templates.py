"""Launch template versions return the data of the request, so that a second plan is empty.

moto 5.2 stores the user data of later versions as a plain string, and fails with an assertion when
a group launches from such a version. It also adds the tags of the template itself to those for
instances.

Upstream: no issue known. Related are getmoto/moto#9485 (closed), about the encoding of user data,
and getmoto/moto#5381, which added the tags of templates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.types import Base64EncodedString
from moto.ec2.models.launch_templates import LaunchTemplateVersion


def user_data(version: LaunchTemplateVersion) -> Base64EncodedString | None:
    data: Any = version.data.get("UserData")
    return Base64EncodedString(data) if isinstance(data, str) else data


def without_own_tags(data: dict[str, Any]) -> dict[str, Any]:
    """Launch template data without the tags of the template, which do not belong there."""
    tags = [t for t in data.pop("TagSpecifications", []) if t["ResourceType"] != "launch-template"]
    return data | ({"TagSpecifications": tags} if tags else {})


def apply(put: Callable[[Any, str, Any], None]) -> None:
    create = LaunchTemplateVersion.__init__

    def init(
        self: LaunchTemplateVersion, template: Any, number: int, data: Any, description: str
    ) -> None:
        create(self, template, number, without_own_tags(data), description)

    put(LaunchTemplateVersion, "__init__", init)
    put(LaunchTemplateVersion, "user_data", property(user_data))

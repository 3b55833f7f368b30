"""Launch template versions say what was asked for, so that a second plan is empty.

moto 5.2 keeps the user data of later versions as a plain string, and fails with an assertion when a
group launches from one; and it counts the tags of the template itself to those for instances.

Upstream: no issue known. Near to it are getmoto/moto#9485 (closed), about how user data is encoded,
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
    """Launch template data without what it has no room for: tags of the template."""
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

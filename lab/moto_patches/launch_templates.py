"""Launch template versions after the first keep their user data.

moto 5.2 stores it as a plain string there, and fails with an assertion when a group launches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.types import Base64EncodedString
from moto.ec2.models.launch_templates import LaunchTemplateVersion


def user_data(version: LaunchTemplateVersion) -> Base64EncodedString | None:
    data: Any = version.data.get("UserData")
    return Base64EncodedString(data) if isinstance(data, str) else data


def apply(put: Callable[[Any, str, Any], None]) -> None:
    put(LaunchTemplateVersion, "user_data", property(user_data))

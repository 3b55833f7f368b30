"""Does a change show which bytes of which machine it changes?"""

from __future__ import annotations

from collections.abc import Callable

from rendering.user_data import UserData


def test_every_file_of_every_role_is_as_recorded(
    role: str, rendered: UserData, matches_snapshot: Callable[[str, dict[str, str]], None]
) -> None:
    matches_snapshot(role, {file.path: file.content for file in rendered.files})

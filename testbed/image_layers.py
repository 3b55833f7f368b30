"""The file system that instances run on, as tests and benchmarks use it."""

from __future__ import annotations

import os
from pathlib import Path

from host.command_error import BAD_INPUT, CommandError
from image import layers

ROOT_VARIABLE = "C4_KAMAILIO_ROOT"
HINT = "name the root of a Debian 13 with Kamailio and rtpengine, or its layers, topmost first"
KAMAILIO = Path("usr/sbin/kamailio")


def image_layers() -> tuple[Path, ...]:
    """Directories of the machine image, topmost first; builds what the cache lacks.

    `C4_KAMAILIO_ROOT` selects others, as `chosen_layers` reads them. Raises `CommandError` for
    wrong ones and `HostError` when the image cannot be built.
    """
    if chosen := os.environ.get(ROOT_VARIABLE):
        return chosen_layers(chosen, ROOT_VARIABLE)
    return layers.build(print).instance


def chosen_layers(text: str, name: str) -> tuple[Path, ...]:
    """Directories from DIRECTORY[:DIRECTORY...], topmost first, one of which has Kamailio.

    `name` is that of the option or variable, for the message of the `CommandError`.
    """
    chosen = tuple(Path(part).absolute() for part in text.split(":"))
    for directory in chosen:
        if not directory.is_dir():
            raise CommandError(f"{name}: {directory} is no directory", HINT, BAD_INPUT)
    if not any((directory / KAMAILIO).exists() for directory in chosen):
        raise CommandError(f"{name}: {text} has no {KAMAILIO}", HINT, BAD_INPUT)
    return chosen

"""The machine image with an instance's files in it, to run the image's own programs on them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import paths
from host.paths import labs_dir
from image import layers
from rendering.files import File

IN_ROOT = Path(layers.__file__).parent / "in-root.sh"
# What cloud-init takes from the metadata service.
INSTANCE = {
    "v1.instance_id": "i-0123456789abcdef0",
    "v1.region": "eu-central-1",
    "v1.availability_zone": "eu-central-1a",
    "ds.meta_data.local_ipv4": "10.40.64.5",
    "ds.dynamic.instance_identity.document.accountId": "123456789012",
}


@dataclass(frozen=True)
class ImageRoot:
    """An overlay on the image; what a program changes stays in `upper`."""

    lower: str
    directory: Path

    @property
    def upper(self) -> Path:
        return self.directory / "upper"

    def at(self, path: Path) -> Path:
        """Where the root keeps what was written to an absolute path."""
        return self.upper / path.relative_to("/")

    def write(self, files: Mapping[str, str]) -> None:
        """Put files into the root, by absolute path."""
        for name, text in files.items():
            path = self.at(Path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program in a chroot, without any network but loopback."""
        places = [str(self.directory / d) for d in ("upper", "work", "root", "shared")]
        isolated = ["unshare", "--mount", "--net", "--propagation", "private"]
        return subprocess.run(
            [*isolated, str(IN_ROOT), self.lower, *places, "none", *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@contextmanager
def image_root() -> Iterator[ImageRoot]:
    """A fresh root on the image, which is built when the cache lacks it."""
    image = layers.build(lambda _: None)
    with tempfile.TemporaryDirectory(prefix="c4-root-", dir=labs_dir()) as name:
        root = ImageRoot(layers.overlay_option(image.instance), Path(name))
        for part in ("upper", "work", "root", "shared"):
            (root.directory / part).mkdir()
        yield root


def as_booted(files: Iterable[File]) -> dict[str, str]:
    """Content by path, with the facts filled in as cloud-init does."""
    contents = {}
    for file in files:
        text = file.content
        if Path(file.path).parent != paths.LISTS:
            for key, value in INSTANCE.items():
                text = text.replace("{{ " + key + " }}", value)
        contents[file.path] = text
    return contents

"""An image with the official release of Consul that a setting names by URL and SHA-256."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli import app, interrupt
from host import golang
from host.errors import HostError, InputError
from host.paths import cache_dir
from image import consul, layers, payload
from image.consul import Release
from settings.load import parse

BASE = "deployment: own\nregion: eu-central-1\nzones: [eu-central-1a, eu-central-1b]\n"
VERSION = f"{consul.LAST[0]}.{consul.LAST[1]}.5"


@dataclass
class Mirror:
    """A web server of this machine: answers by path, and what was asked for."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: bool = False

    def release(self, content: bytes, name: str = "consul.zip") -> Release:
        """Serve a file, and name it as a setting does."""
        self.files[f"/{name}"] = content
        return Release(f"{self.url}/{name}", hashlib.sha256(content).hexdigest())


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            if self.path in made.redirects:
                self.send_response(302)
                self.send_header("Location", made.redirects[self.path])
                self.end_headers()
                return
            content = made.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:-1] if made.cut else content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Mirror(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for the other parts of a payload, which take minutes to make."""
    tool, packages = tmp_path / "other-tool", tmp_path / "packages"
    tool.write_text("another program")
    packages.mkdir()
    monkeypatch.setattr(golang, "tool", lambda name, progress: tool)
    monkeypatch.setattr(payload, "wheels", lambda progress: packages)


def program(version: str) -> str:
    """A stand-in for Consul, which can only say its version."""
    return f"#!/bin/sh\n[ \"$*\" = version ] && echo 'Consul v{version}' && echo Revision 1\n"


def zipped(**files: str) -> bytes:
    """A zip file as HashiCorp ships it: the program, and the licence beside it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in ({"LICENSE.txt": "terms"} | files).items():
            file.writestr(name, text)
    return made.getvalue()


def remains() -> list[str]:
    """What is in the cache of programs, without the remains of an interrupted build."""
    return [p.name for p in cache_dir().glob("bin/*") if ".part" not in p.name]


def test_release_is_used_and_its_version_is_shown(mirror: Mirror) -> None:
    said: list[str] = []
    made = consul.program(mirror.release(zipped(consul=program(VERSION))), said.append)
    assert made.version == VERSION
    assert made.path.read_text() == program(VERSION)
    assert os.access(made.path, os.X_OK)
    assert f"the release is Consul {VERSION}, and its SHA-256 is right" in said
    assert sorted(p.name for p in made.path.parent.iterdir()) == ["consul", "version"]


def test_release_is_fetched_once_from_whatever_place(mirror: Mirror) -> None:
    content = zipped(consul=program(VERSION))
    first = consul.program(mirror.release(content), lambda _: None)
    moved = mirror.release(content, "elsewhere.zip")
    assert consul.program(moved, lambda _: None) == first
    assert mirror.asked == ["/consul.zip"]


def test_redirect_is_followed(mirror: Mirror) -> None:
    target = mirror.release(zipped(consul=program(VERSION)))
    mirror.redirects["/latest"] = "/consul.zip"
    made = consul.program(Release(f"{mirror.url}/latest", target.sha256.upper()), lambda _: None)
    assert made.version == VERSION


def _wrong_hash(mirror: Mirror) -> Release:
    return Release(mirror.release(zipped(consul=program(VERSION))).url, "0" * 64)


def _redirected_to_plain_http(mirror: Mirror) -> Release:
    mirror.redirects["/moved"] = "http://example.com/consul.zip"
    return Release(f"{mirror.url}/moved", "0" * 64)


def _endless_redirect(mirror: Mirror) -> Release:
    mirror.redirects["/again"] = "/again"
    return Release(f"{mirror.url}/again", "0" * 64)


def _cut(mirror: Mirror) -> Release:
    mirror.cut = True
    return mirror.release(zipped(consul=program(VERSION)))


UNUSABLE: dict[str, tuple[Callable[[Mirror], Release], list[str]]] = {
    "wrong hash": (_wrong_hash, ["has the SHA-256", "0" * 64 + " is expected", "nothing"]),
    "no zip file": (
        lambda mirror: mirror.release(b"<html>"), ["is not a zip file", "consul.zip"],
    ),
    "zip file of something else": (
        lambda mirror: mirror.release(zipped(nomad=program(VERSION))),
        ["contains no 'consul', but LICENSE.txt, nomad", "linux_"],
    ),
    "another machine's program": (
        lambda mirror: mirror.release(zipped(consul="\x7fELF of another kind")),
        ["does not run on this machine", "linux_"],
    ),
    "another program of that name": (
        lambda mirror: mirror.release(zipped(consul="#!/bin/sh\necho Vault v1.2.3\n")),
        ["is not Consul", "Vault v1.2.3"],
    ),
    "too old": (
        lambda mirror: mirror.release(zipped(consul=program("1.9.17"))),
        ["is Consul 1.9.17", "allowed are versions 1.19 to"],
    ),
    "too new": (
        lambda mirror: mirror.release(zipped(consul=program("2.0.0-rc1"))),
        ["is Consul 2.0.0-rc1", "allowed are versions 1.19 to", "allow_untested"],
    ),
    "needs a licence key": (
        lambda mirror: mirror.release(zipped(consul=program(f"{VERSION}+ent"))),
        [f"is Consul {VERSION}+ent", "Enterprise", f"name the release {VERSION}"],
    ),
    "plain http from elsewhere": (
        lambda mirror: Release("http://example.com/consul.zip", "0" * 64), ["https"],
    ),
    "redirect to plain http": (_redirected_to_plain_http, ["http://example.com", "https"]),
}  # fmt: skip
UNREACHABLE: dict[str, tuple[Callable[[Mirror], Release], list[str]]] = {
    "absent": (
        lambda mirror: Release(f"{mirror.url}/absent.zip", "0" * 64),
        ["/absent.zip answers 404 Not Found"],
    ),
    "nobody listens": (
        lambda mirror: Release("http://127.0.0.1:1/consul.zip", "0" * 64),
        ["127.0.0.1:1/consul.zip cannot be fetched", "refused"],
    ),
    "redirects without end": (_endless_redirect, ["/again answers 302"]),
    "cut off": (_cut, ["cannot be fetched", "IncompleteRead"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "fragments"),
    (UNUSABLE | UNREACHABLE).values(),
    ids=UNUSABLE | UNREACHABLE,
)
@pytest.mark.usefixtures("others")
def test_unusable_release_is_refused_and_nothing_of_it_is_applied(
    mirror: Mirror, tmp_path: Path, make: Callable[[Mirror], Release], fragments: list[str]
) -> None:
    archive, rds_ca = tmp_path / "payload.tar.gz", tmp_path / "rds.pem"
    archive.write_text("of the last build")
    rds_ca.touch()
    release = make(mirror)
    with pytest.raises(HostError) as error:
        payload.write_archive(archive, rds_ca, lambda _: None, release)
    for fragment in ("image.consul.release: ", *fragments):
        assert fragment in str(error.value)
    assert isinstance(error.value, InputError) == (make in [m for m, _ in UNUSABLE.values()])
    assert archive.read_text() == "of the last build"
    assert remains() == []


def test_after_a_failure_the_right_file_is_fetched(mirror: Mirror) -> None:
    release = mirror.release(zipped(consul=program(VERSION)))
    mirror.cut = True
    with pytest.raises(HostError):
        consul.program(release, lambda _: None)
    mirror.cut = False
    assert consul.program(release, lambda _: None).version == VERSION


def test_a_version_is_judged_again_when_it_comes_from_the_cache(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = mirror.release(zipped(consul=program(VERSION)))
    consul.program(release, lambda _: None)
    for bound in ("FIRST", "LAST"):
        monkeypatch.setattr(consul, bound, (1, 99))
    with pytest.raises(InputError, match=f"is Consul {VERSION}; allowed are"):
        consul.program(release, lambda _: None)


def test_newer_version_is_used_when_the_deployment_allows_it(mirror: Mirror) -> None:
    new, old = (mirror.release(zipped(consul=program(v)), v) for v in ("2.1.0", "1.9.17"))
    made = consul.program(Release(new.url, new.sha256, allow_untested=True), lambda _: None)
    assert made.version == "2.1.0"
    with pytest.raises(InputError, match=r"is Consul 2\.1\.0; allowed are"):
        consul.program(new, lambda _: None)
    with pytest.raises(InputError, match=r"is Consul 1\.9\.17; allowed are"):
        consul.program(Release(old.url, old.sha256, allow_untested=True), lambda _: None)


def test_layer_follows_the_hash_of_the_release_and_not_its_place() -> None:
    def identity(release: Release | None) -> list[str]:
        return payload.tools_identity(release)

    built, first = identity(None), identity(Release("https://example.com/a", "a" * 64))
    assert built != first
    assert first == identity(Release("https://example.org/b", "A" * 64))
    assert first != identity(Release("https://example.com/a", "b" * 64))


@pytest.mark.usefixtures("others")
def test_payload_of_an_ami_has_the_release_that_the_deployment_names(
    mirror: Mirror,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    release = mirror.release(zipped(consul=program(VERSION)))
    archive, rds_ca = tmp_path / "payload.tar.gz", tmp_path / "rds.pem"
    rds_ca.touch()
    status, said = _c4(
        monkeypatch, capsys, tmp_path, release,
        "image", "payload", str(archive), "--rds-ca", str(rds_ca),
    )  # fmt: skip
    assert status == 0
    assert f"Consul {VERSION}, the release at {release.url}" in said
    with tarfile.open(archive) as file:
        installed = file.extractfile("./payload/bin/consul")
        assert installed is not None
        assert installed.read().decode() == program(VERSION)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("make", "status"), [(_wrong_hash, 2), (UNREACHABLE["absent"][0], 1)], ids=["hash", "absent"]
)
def test_command_names_the_setting_and_ends_without_a_traceback(
    mirror: Mirror,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Mirror], Release],
    status: int,
) -> None:
    archive, rds_ca = tmp_path / "payload.tar.gz", tmp_path / "rds.pem"
    rds_ca.touch()
    found, said = _c4(
        monkeypatch, capsys, tmp_path, make(mirror),
        "image", "payload", str(archive), "--rds-ca", str(rds_ca),
    )  # fmt: skip
    assert found == status
    assert "c4: image.consul.release: " in said
    assert "Traceback" not in said
    assert not archive.exists()


def _c4(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    release: Release,
    *arguments: str,
) -> tuple[object, str]:
    """Run the command on a deployment that names the release: exit status and all output."""
    file = tmp_path / "own.yaml"
    named = f"{{url: '{release.url}', sha256: '{release.sha256}'}}"
    file.write_text(f"{BASE}image: {{consul: {{release: {named}}}}}\n")
    parse(file.read_text(), file)
    monkeypatch.setattr(interrupt, "install", lambda: None)
    monkeypatch.setattr(sys, "argv", ["c4", *arguments, "--deployment", str(file)])
    with pytest.raises(SystemExit) as end:
        app.main()
    output = capsys.readouterr()
    return end.value.code, output.out + output.err


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.exhaustive  # `make test` proves the same of the input of this layer
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_machines_of_the_local_cloud_get_the_release(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")  # the layers below are there
    text = program(VERSION) + f"# of process {os.getpid()}\n"
    image = layers.build(lambda _: None, mirror.release(zipped(consul=text)))
    tools = next(layer for layer in image.instance if layer.name.startswith("tools-"))
    assert (tools / "usr/local/bin/consul").read_text() == text
    default = layers.build(lambda _: None)
    assert tools not in default.instance

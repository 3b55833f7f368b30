"""Run Terraform on the local cloud: the real program with the real AWS provider.

With machines it runs inside the cloud namespace, where the DNS names of AWS resolve to moto, and
trusts the lab's CA. Without them its environment names moto's port on loopback. So the stacks need
no endpoint settings.

Terraform stops cleanly after one SIGINT, and abandons its state after a second one. It has a
session of its own, so that the terminal's signals do not reach it, and gets one from `interrupt`.
When our process is killed it goes on to its end: stopping would cancel requests of which nobody
knows afterwards whether they were carried out. It writes to a file, since a broken pipe would end
it at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from host import certificates
from host.errors import HostError
from lab.machines import cgroups
from lab.names import Names
from lab.terraform import leftovers
from lab.terraform.provider import Toolchain, toolchain

Progress = Callable[[str], None]
APPLY_LIMIT: Final = 1800  # seconds
ATTEMPTS: Final = 6  # of a request: half a minute, in which a busy machine answers
POLL: Final = 0.1  # seconds
STACK_FILE: Final = "cdk.tf.json"
# Types that exist after one request, and for which Terraform then waits a long time. Whoever
# interrupts the wait finds them usable, so they are kept instead of being created again.
ADOPTED: Final = frozenset({"aws_db_instance"})

_running: set[Program] = set()
_interrupted = False


def interrupt() -> None:
    """Ask every Terraform of this process to stop, and start none any more.

    A signal handler may call it: it takes no lock.
    """
    global _interrupted
    _interrupted = True
    for program in list(_running):
        program.stop()


class Program:
    """A running Terraform, which is asked to stop only once."""

    def __init__(
        self, command: Sequence[str], directory: Path, env: Mapping[str, str], log: Path
    ) -> None:
        self._asked = False
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, cwd=directory, env=env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        _running.add(self)
        if _interrupted:  # before it was in the set
            self.stop()

    def stop(self) -> None:
        """Ask it to stop, which takes some seconds: it writes down what it has made."""
        if not self._asked and self._process.poll() is None:
            self._asked = True
            self._process.send_signal(signal.SIGINT)

    def lines(self) -> Iterator[str]:
        """What it says, line by line, until it ends."""
        with self._log.open(errors="replace") as said:
            line = ""
            while True:
                ended = self._process.poll() is not None
                while part := said.readline():
                    line += part
                    if line.endswith("\n"):
                        yield line
                        line = ""
                if ended:
                    return
                time.sleep(POLL)

    def wait(self) -> int:
        """Its exit status."""
        try:
            return self._process.wait()
        finally:
            _running.discard(self)


@dataclass(frozen=True)
class Access:
    """How Terraform reaches the AWS API: its environment, and the command line that runs it.

    `command` takes Terraform's own command line, and whether this one needs the API.
    """

    command: Callable[[Sequence[str], bool], list[str]]
    environment: Mapping[str, str]


def in_cloud(names: Names) -> Access:
    """Under the names of AWS, in the network of the lab."""

    def command(arguments: Sequence[str], inside: bool) -> list[str]:
        enter = ["ip", "netns", "exec", names.cloud_ns] if inside else []
        return cgroups.command_in([*enter, *arguments], *names.guests)

    ca = str(certificates.authority().certificate_file)
    return Access(command, {"AWS_CA_BUNDLE": ca, "SSL_CERT_FILE": ca})


def on_loopback(port: int) -> Access:
    """At moto's port on this host's loopback."""
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    return Access(lambda arguments, _: list(arguments), environment)


class Runner:
    """Runs the stacks of one lab. Each has a working directory and a state in `work_dir`."""

    def __init__(self, work_dir: Path, access: Access) -> None:
        self._work_dir = work_dir
        self._access = access

    def apply(self, stack: str, synth_dir: Path, progress: Progress) -> None:
        """Apply a stack. Raises `HostError` with Terraform's own messages."""
        directory, tools = self._prepare(stack, synth_dir, progress)
        self._adopt(tools, directory, progress)
        self._terraform(
            tools, directory, ["apply", "-auto-approve", "-input=false", "-json"], progress
        )

    def destroy(self, stack: str, synth_dir: Path, progress: Progress) -> None:
        directory, tools = self._prepare(stack, synth_dir, progress)
        leftovers.apply_log(self._work_dir, stack).unlink(missing_ok=True)
        self._terraform(
            tools, directory, ["destroy", "-auto-approve", "-input=false", "-json"], progress
        )

    def _adopt(self, tools: Toolchain, directory: Path, progress: Progress) -> None:
        """Keep what was interrupted while Terraform only waited for it."""
        document = json.loads((directory / STACK_FILE).read_text())
        state = Path(document["terraform"]["backend"]["local"]["path"])
        for address in leftovers.tainted(state, ADOPTED):
            progress(f"{directory.name}: {address} exists already")
            self._terraform(
                tools, directory, ["untaint", "-no-color", address], progress, inside=False
            )

    def changes(self, stack: str, synth_dir: Path, progress: Progress) -> bool:
        """Whether a plan would change anything. Raises `HostError`."""
        directory, tools = self._prepare(stack, synth_dir, progress)
        plan = ["plan", "-detailed-exitcode", "-input=false", "-json", "-lock=false"]
        return self._terraform(tools, directory, plan, progress, allowed=(0, 2)) == 2

    def _prepare(self, stack: str, synth_dir: Path, progress: Progress) -> tuple[Path, Toolchain]:
        source = synth_dir / "stacks" / stack / STACK_FILE
        if not source.is_file():
            known = sorted(p.parent.name for p in synth_dir.glob(f"stacks/*/{STACK_FILE}"))
            raise HostError(
                f"{source} does not exist; synthesized stacks: {', '.join(known) or 'none'}",
                "cdktf synth",
            )
        directory = self._work_dir / stack
        directory.mkdir(parents=True, exist_ok=True)
        document = json.loads(source.read_text())
        (directory / STACK_FILE).write_text(json.dumps(localized(document, self._work_dir)))
        tools = toolchain(directory, progress)
        self._terraform(
            tools,
            directory,
            ["init", "-input=false", "-no-color", "-reconfigure"],
            progress,
            inside=False,
        )
        return directory, tools

    def _terraform(
        self, tools: Toolchain, directory: Path, arguments: Sequence[str], progress: Progress,
        inside: bool = True, allowed: Collection[int] = (0,),
    ) -> int:  # fmt: skip
        command = self._access.command([str(tools.program), *arguments], inside)
        if _interrupted:
            raise HostError(f"terraform {arguments[0]} of stack {directory.name}: interrupted")
        log_file = self._work_dir / f"{directory.name}-{arguments[0]}.log"
        errors: list[str] = []
        program = Program(command, directory, self._environment(tools, inside), log_file)
        try:
            for line in program.lines():
                _report(line, directory.name, progress, errors)
        except BaseException:  # Ctrl-C, or an error of `progress`
            program.stop()
            raise
        finally:
            status = program.wait()
        if status not in allowed:
            text = "\n".join(errors) or log_file.read_text()[-3000:]
            raise HostError(f"terraform {arguments[0]} of stack {directory.name} failed:\n{text}",
                           f"the whole output is in {log_file}")  # fmt: skip
        return status

    def _environment(self, tools: Toolchain, inside: bool) -> dict[str, str]:
        kept = ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR")
        env = {
            k: v for k, v in os.environ.items() if k in kept or not k.startswith(("AWS_", "TF_"))
        }
        env |= {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"} | tools.environment
        if inside:
            env |= {
                **self._access.environment,
                "AWS_ACCESS_KEY_ID": "lab",
                "AWS_SECRET_ACCESS_KEY": "lab",
                "AWS_MAX_ATTEMPTS": str(ATTEMPTS),
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        return env


def localized(document: dict[str, Any], work_dir: Path) -> dict[str, Any]:
    """The stack with its state in the lab, instead of where the deployment stores it.

    The states of other stacks that it reads are also those of the lab.
    """
    result: dict[str, Any] = json.loads(json.dumps(document))
    terraform = result.setdefault("terraform", {})
    (config,) = terraform.get("backend", {"local": {}}).values()
    terraform["backend"] = {"local": {"path": str(work_dir / state_name(config))}}
    for reads in result.get("data", {}).get("terraform_remote_state", {}).values():
        reads["config"] = {"path": str(work_dir / state_name(reads["config"]))}
        reads["backend"] = "local"
    for provider in result.get("provider", {}).get("aws", []):
        # By default a request with a wrong certificate is retried for nine minutes.
        provider["max_retries"] = ATTEMPTS
    return result


def state_name(config: Mapping[str, Any]) -> str:
    """File name of a state in the lab, from its `path` (local) or `key` (S3) in the deployment."""
    if "key" in config:
        return str(config["key"]).replace("/", "_")
    return Path(config.get("path", "terraform.tfstate")).name


def _report(line: str, stack: str, progress: Progress, errors: list[str]) -> None:
    """Show the message in a line of Terraform's machine-readable output, and keep its errors."""
    try:
        event = json.loads(line)
    except ValueError:
        return
    kind = event.get("type")
    if kind == "apply_complete" or kind == "change_summary":
        progress(f"{stack}: {event['@message']}")
    elif kind == "diagnostic" and event["diagnostic"]["severity"] == "error":
        diagnostic = event["diagnostic"]
        parts = [diagnostic.get(key, "") for key in ("address", "summary", "detail")]
        errors.append(" ".join(part for part in parts if part))

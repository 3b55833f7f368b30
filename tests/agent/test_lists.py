"""Does Kamailio get every good list, and never a bad one?"""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from agent.consul import catalogue_age
from agent.errors import AgentError
from agent.instance import Instance
from agent.kamailio import consul_template
from agent.kamailio.kamcmd import RpcRefused
from agent.kamailio.service_lists import (
    Folders,
    ListDamaged,
    ListRefused,
    NotYet,
    RpcFailed,
    ServiceLists,
)
from agent.roles import every_role
from agent.roles.every_role import Lists
from common import kamailio, paths, ports
from host import golang
from testbed.sip.plane import wait_until

NAME = "dispatcher.list"
GOOD = (
    f"\n1 sip:10.40.64.5:{ports.SIP_INTERNAL} 0 0 weight=50;rweight=50;duid=10.40.64.5"
    f"\n2 sip:10.40.64.5:{ports.SIP_INTERNAL} 0 0 weight=50;rweight=50;duid=10.40.64.5\n"
)
OTHER = GOOD.replace("64.5", "64.6")
TABLES = {"rtpengine": kamailio.RTPENGINE_HEAD, "router-confd": kamailio.HTABLE_HEAD}


class Kamailio:
    """Answers to RPC calls, in order; the last one is repeated."""

    def __init__(self, *answers: str | Exception) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._answers = list(answers) or ["Ok."]

    def __call__(self, *command: str) -> str:
        self.calls.append(command)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    made = Folders(*(tmp_path / name for name in ("rendered", "live", "applied")))
    for folder in (made.rendered, made.live, made.applied):
        folder.mkdir()
    yield made
    leftovers = [p.name for p in made.live.iterdir() if p.name.startswith(".")]
    assert not leftovers  # nothing half-written


def rendered(text: str) -> str:
    """As consul-template writes it."""
    return text + ("" if text.endswith("\n") else "\n") + kamailio.LIST_END + "\n"


def _apply(
    folders: Folders,
    text: str,
    rpc: Kamailio,
    name: str = NAME,
    *,
    new_catalogue: bool = False,
) -> bool:
    (folders.rendered / name).write_text(rendered(text))
    lists = ServiceLists(folders, rpc, sleep=lambda _: None, catalogue_is_new=lambda: new_catalogue)
    return lists.apply(name)


def test_a_good_list_is_swapped_in_and_reloaded_once(folders: Folders) -> None:
    rpc = Kamailio("Ok. Dispatcher successfully reloaded.")
    assert _apply(folders, GOOD, rpc)
    assert not _apply(folders, GOOD, rpc)  # a reload forgets what was probed: only on change
    assert (folders.live / NAME).read_text() == GOOD
    assert rpc.calls == [("dispatcher.reload",)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        GOOD.replace("\n1 ", "\n2 "),  # nobody for new calls
        GOOD + "1\n",
        GOOD + f"1 sip:10.40.64.7:{ports.SIP_INTERNAL} 0 0 weight=50\nrubbish\n",
        GOOD + f'1 sip:10.40.64.7:{ports.SIP_INTERNAL} 0 0 "; drop\n',
    ],
)
def test_a_bad_dispatcher_list_leaves_the_last_good_one(folders: Folders, text: str) -> None:
    rpc = Kamailio()
    _apply(folders, GOOD, rpc)
    with pytest.raises(ListRefused):
        _apply(folders, text, rpc)
    assert (folders.live / NAME).read_text() == GOOD
    assert len(rpc.calls) == 1


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "rtpengine",
            rf"1:0:udp\:10.40.16.4\:{ports.RTPENGINE_NG}:50:0:0",
            rf"1:0:udp\:evil;\:{ports.RTPENGINE_NG}:50:0:0",
        ),
        (
            "router-confd",
            "0:n:0:0:1:0\n" + rf"1:0:0:0:http\://10.40.64.9\:{ports.ROUTER_CONFD_INTERNAL}:0",
            "0:n:0:0:0:0",
        ),
    ],
)
def test_tables_need_their_columns_and_a_good_row(
    folders: Folders, name: str, good: str, bad: str
) -> None:
    head = TABLES[name]
    assert _apply(folders, f"{head}\n{good}\n", Kamailio(""), name)
    for text in (head, f"{head}\n{bad}\n", good, ""):
        with pytest.raises(ListRefused):
            _apply(folders, text, Kamailio(""), name)


def test_a_reload_that_is_refused_is_repeated(folders: Folders) -> None:
    rpc = Kamailio(RpcFailed("error: 500 - Ongoing reload"), "Ok.")
    assert _apply(folders, GOOD, rpc)
    assert len(rpc.calls) == 2


def test_a_list_that_kamailio_never_took_stays_pending_until_it_does(folders: Folders) -> None:
    """Kamailio may be starting: it may have read the old file, so the swap alone is no proof."""
    with pytest.raises(RpcFailed):
        _apply(folders, GOOD, Kamailio(RpcFailed("connect: No such file or directory")))
    assert (folders.live / NAME).read_text() == GOOD
    assert list(ServiceLists(folders).pending((NAME,))) == [NAME]
    assert _apply(folders, GOOD, Kamailio())
    assert ServiceLists(folders).pending((NAME,)) == {}


def test_a_router_that_leaves_is_known_before_it_is_gone_from_the_list(folders: Folders) -> None:
    """consul-template renders both lists, and runs the commands in an order of its own."""
    rpc = Kamailio()
    _apply(folders, GOOD + OTHER, rpc)
    leaving = f"{TABLES['router-confd']}\n0:10.40.64.5:0:0:1:0\n"
    (folders.rendered / "draining-routers").write_text(rendered(leaving))
    assert _apply(folders, OTHER, rpc)
    assert rpc.calls[1:] == [("htable.reload", "draining_routers"), ("dispatcher.reload",)]
    assert not _apply(folders, leaving, rpc, "draining-routers")


def test_a_bad_list_of_those_that_leave_does_not_keep_the_other_back(folders: Folders) -> None:
    (folders.rendered / "draining-routers").write_text("rubbish\n")
    rpc = Kamailio()
    assert _apply(folders, GOOD, rpc)
    assert rpc.calls == [("dispatcher.reload",)]


def test_a_list_that_was_never_rendered_is_not_pending(folders: Folders) -> None:
    assert ServiceLists(folders).pending((NAME, "rtpengine")) == {}


def test_a_change_is_pending(folders: Folders) -> None:
    _apply(folders, GOOD, Kamailio())
    (folders.rendered / NAME).write_text(OTHER)
    assert list(ServiceLists(folders).pending((NAME,))) == [NAME]


@pytest.mark.parametrize("name", ["nothing", "../../etc/passwd"])
def test_an_unknown_list_is_refused_with_those_that_exist(folders: Folders, name: str) -> None:
    with pytest.raises(
        AgentError, match=r"is unknown; the lists are draining-routers, dispatcher\.list"
    ):
        ServiceLists(folders, Kamailio()).apply(name)


def test_each_list_has_a_later_second_than_the_one_before(folders: Folders) -> None:
    seconds = []
    for text in (GOOD, OTHER, GOOD):
        assert _apply(folders, text, Kamailio())
        seconds.append(int((folders.live / NAME).stat().st_mtime))
    assert seconds == sorted(set(seconds))


def test_a_list_only_grows_while_the_catalogue_is_new(folders: Folders) -> None:
    """Who is absent may not have registered itself yet with servers that are all new."""
    rpc = Kamailio()
    assert _apply(folders, GOOD, rpc, new_catalogue=True)
    assert _apply(folders, GOOD + OTHER, rpc, new_catalogue=True)
    with pytest.raises(NotYet, match=r"absent from it: 1 sip:10\.40\.64\.6"):
        _apply(folders, GOOD, rpc, new_catalogue=True)
    assert (folders.live / NAME).read_text() == GOOD + OTHER
    assert NAME in ServiceLists(folders).pending((NAME,)), "the daemon tries again"
    assert len(rpc.calls) == 2
    assert _apply(folders, GOOD, rpc)


def test_who_leaves_is_not_forgotten_while_the_catalogue_is_new(folders: Folders) -> None:
    """Neither list loses a router that drains, whichever comes first."""
    rpc = Kamailio()
    leaving = f"{kamailio.HTABLE_HEAD}\n0:10.40.64.6:0:0:1:0\n"
    assert _apply(folders, leaving, rpc, "draining-routers")
    (folders.rendered / "draining-routers").write_text(rendered(kamailio.HTABLE_HEAD))
    assert _apply(folders, GOOD, rpc, new_catalogue=True)
    assert (folders.live / "draining-routers").read_text() == leaving


@pytest.mark.parametrize(
    ("booted_s", "made_s", "expected"),
    [
        (3600, 5, True),
        (3600, 90, False),  # who is absent now is gone
        (5, 30, False),  # an instance of a new deployment: it has no list from before
    ],
)
def test_a_catalogue_is_new_when_its_token_is_newer_than_the_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, booted_s: int, made_s: int, expected: bool
) -> None:
    for name in ("CONFIG", "BOOTED"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    paths.CONFIG.write_text('{"ports": {"consul_http": 1}}')  # nobody listens there
    assert not catalogue_age.catalogue_is_new()
    now = datetime.datetime.now(datetime.UTC)
    paths.BOOTED.touch()
    os.utime(paths.BOOTED, (now.timestamp() - booted_s,) * 2)
    assert not catalogue_age.catalogue_is_new()
    made = now - datetime.timedelta(seconds=made_s)
    monkeypatch.setattr(catalogue_age, "token_made", lambda host, port: made)
    assert catalogue_age.catalogue_is_new() is expected


def test_confirmed_sources_need_not_wait_for_instances(folders: Folders) -> None:
    for until in (1795624971, 1795625031):
        text = f"{kamailio.HTABLE_HEAD}\n0:until:0:0:{until}:0\n"
        assert _apply(folders, text, Kamailio(), "provisioned-sources", new_catalogue=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[: whole.index(b"\n2 ") + 1],  # between two lines
        lambda whole: whole.removesuffix(b"\n"),
        lambda whole: whole + whole,
        lambda whole: b"\xff\xfe" + whole,
        lambda whole: whole.replace(b"weight", b"wei\0ght"),
    ],
)
def test_a_damaged_file_is_not_swapped_in(
    folders: Folders, damage: Callable[[bytes], bytes]
) -> None:
    rpc = Kamailio()
    assert _apply(folders, GOOD + OTHER, rpc)
    path = folders.rendered / NAME
    path.write_bytes(damage(path.read_bytes()))
    lists = ServiceLists(folders, rpc)
    with pytest.raises(ListDamaged):
        lists.apply(NAME)
    assert (folders.live / NAME).read_text() == GOOD + OTHER
    assert NAME in lists.pending((NAME,))


@pytest.mark.parametrize("name", ["draining-routers", "provisioned-sources"])
def test_a_table_that_is_cut_within_its_columns_is_refused(folders: Folders, name: str) -> None:
    """Kamailio does not start with it, even where an empty table is a good one."""
    assert _apply(folders, kamailio.HTABLE_HEAD, Kamailio(), name)
    for columns in ("id(int,auto) key_name(string)", kamailio.RTPENGINE_HEAD, ""):
        with pytest.raises(ListRefused):
            _apply(folders, columns, Kamailio(), name)
    assert (folders.live / name).read_text() == f"{kamailio.HTABLE_HEAD}\n"


def test_kamailio_does_not_start_from_a_list_that_it_refused(folders: Folders) -> None:
    assert _apply(folders, GOOD, Kamailio())
    with pytest.raises(RpcFailed):
        _apply(folders, OTHER, Kamailio(RpcRefused("error: 500 - Reload failed")))
    assert (folders.live / NAME).read_text() == GOOD
    assert NAME in ServiceLists(folders).pending((NAME,)), "the daemon tries again"


class Renderer:
    """consul-template as the agent's task sees it; `repair` is what it does when told."""

    def __init__(self, repair: Callable[[], object] = lambda: None) -> None:
        self.asked = 0
        self._repair = repair

    def __call__(self) -> None:
        self.asked += 1
        self._repair()


def _task(folders: Folders, rpc: Kamailio, renderer: Renderer) -> Lists:
    names = (NAME, "draining-routers")
    instance = cast(Instance, SimpleNamespace(config=SimpleNamespace(lists=names)))
    lists = ServiceLists(folders, rpc, attempts=1, catalogue_is_new=lambda: False)
    return Lists(instance, lists, renderer)


@pytest.mark.parametrize("damage", [b"\xff", b"id(int", None])
def test_a_damaged_list_is_rendered_again_and_holds_up_no_other_one(
    folders: Folders, damage: bytes | None
) -> None:
    rpc = Kamailio()
    assert _apply(folders, GOOD, rpc)
    path = folders.rendered / NAME
    renderer = Renderer(lambda: path.write_text(rendered(GOOD)))
    task = _task(folders, rpc, renderer)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    (folders.rendered / "draining-routers").write_text(rendered(kamailio.HTABLE_HEAD))
    task.run()
    assert ("htable.reload", "draining_routers") in rpc.calls
    assert renderer.asked == 1
    assert ServiceLists(folders).pending((NAME,)) == {}
    task.run()
    assert renderer.asked == 1


def test_a_list_that_is_bad_as_rendered_is_asked_for_once(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No router is there yet: consul-template would write the same again."""
    monkeypatch.setattr(every_role, "RENDERING_INTERVAL_S", 0)
    (folders.rendered / NAME).write_text(rendered(""))
    renderer = Renderer()
    task = _task(folders, Kamailio(), renderer)
    for _ in range(3):
        task.run()
    assert renderer.asked == 1
    (folders.rendered / NAME).write_bytes(b"cut")
    for _ in range(3):
        task.run()
    assert renderer.asked == 4, "a damaged file is asked for until it is whole"


def test_consul_template_gets_the_signal_that_starts_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "CONSUL_TEMPLATE_PID", tmp_path / "pid")
    consul_template.render_again()  # it does not run: nothing to do
    with subprocess.Popen(["sleep", "60"]) as process:
        paths.CONSUL_TEMPLATE_PID.write_text(f"{process.pid}\n")
        consul_template.render_again()
        assert process.wait(10) == -signal.SIGHUP


def test_consul_template_repairs_a_damaged_file_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "CONSUL_TEMPLATE_PID", tmp_path / "pid")
    out = tmp_path / "out"
    config = tmp_path / "config.hcl"
    config.write_text(
        f'pid_file = "{paths.CONSUL_TEMPLATE_PID}"\n'
        f'template {{\n contents = "whole"\n destination = "{out}"\n}}\n'
    )
    program = golang.tool("consul-template", lambda _: None)
    with subprocess.Popen([program, f"-config={config}"]) as process:
        try:
            wait_until(lambda: out.exists() and paths.CONSUL_TEMPLATE_PID.exists(), 20)
            for damage in (lambda: out.write_text("cut"), out.unlink):
                damage()
                consul_template.render_again()
                wait_until(lambda: out.exists() and out.read_text() == "whole", 20)
        finally:
            process.send_signal(signal.SIGINT)

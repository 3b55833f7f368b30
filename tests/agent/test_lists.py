"""Does Kamailio get every good list, and never a bad one?"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.consul import catalogue_age
from agent.errors import AgentError
from agent.kamailio.service_lists import Folders, ListRefused, NotYet, RpcFailed, ServiceLists
from common import paths, ports

NAME = "dispatcher.list"
GOOD = (
    f"\n1 sip:10.40.64.5:{ports.SIP_INTERNAL} 0 0 weight=50;rweight=50;duid=10.40.64.5"
    f"\n2 sip:10.40.64.5:{ports.SIP_INTERNAL} 0 0 weight=50;rweight=50;duid=10.40.64.5\n"
)
OTHER = GOOD.replace("64.5", "64.6")
TABLES = {
    "rtpengine": "id(int,auto) setid(int) url(string) weight(int) disabled(int) stamp(int)",
    "router-confd": "id(int,auto) key_name(string) key_type(int) value_type(int) "
    "key_value(string) expires(int)",
}


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


def _apply(
    folders: Folders,
    text: str,
    kamailio: Kamailio,
    name: str = NAME,
    *,
    new_catalogue: bool = False,
) -> bool:
    (folders.rendered / name).write_text(text)
    lists = ServiceLists(
        folders, kamailio, sleep=lambda _: None, catalogue_is_new=lambda: new_catalogue
    )
    return lists.apply(name)


def test_a_good_list_is_swapped_in_and_reloaded_once(folders: Folders) -> None:
    kamailio = Kamailio("Ok. Dispatcher successfully reloaded.")
    assert _apply(folders, GOOD, kamailio)
    assert not _apply(folders, GOOD, kamailio)  # a reload forgets what was probed: only on change
    assert (folders.live / NAME).read_text() == GOOD
    assert kamailio.calls == [("dispatcher.reload",)]


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
    kamailio = Kamailio()
    _apply(folders, GOOD, kamailio)
    with pytest.raises(ListRefused):
        _apply(folders, text, kamailio)
    assert (folders.live / NAME).read_text() == GOOD
    assert len(kamailio.calls) == 1


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
    kamailio = Kamailio(RpcFailed("error: 500 - Ongoing reload"), "Ok.")
    assert _apply(folders, GOOD, kamailio)
    assert len(kamailio.calls) == 2


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
    kamailio = Kamailio()
    _apply(folders, GOOD + OTHER, kamailio)
    leaving = f"{TABLES['router-confd']}\n0:10.40.64.5:0:0:1:0\n"
    (folders.rendered / "draining-routers").write_text(leaving)
    assert _apply(folders, OTHER, kamailio)
    assert kamailio.calls[1:] == [("htable.reload", "draining_routers"), ("dispatcher.reload",)]
    assert not _apply(folders, leaving, kamailio, "draining-routers")


def test_a_bad_list_of_those_that_leave_does_not_keep_the_other_back(folders: Folders) -> None:
    (folders.rendered / "draining-routers").write_text("rubbish\n")
    kamailio = Kamailio()
    assert _apply(folders, GOOD, kamailio)
    assert kamailio.calls == [("dispatcher.reload",)]


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
    kamailio = Kamailio()
    assert _apply(folders, GOOD, kamailio, new_catalogue=True)
    assert _apply(folders, GOOD + OTHER, kamailio, new_catalogue=True)
    with pytest.raises(NotYet, match=r"absent from it: 1 sip:10\.40\.64\.6"):
        _apply(folders, GOOD, kamailio, new_catalogue=True)
    assert (folders.live / NAME).read_text() == GOOD + OTHER
    assert NAME in ServiceLists(folders).pending((NAME,)), "the daemon tries again"
    assert len(kamailio.calls) == 2
    assert _apply(folders, GOOD, kamailio)


def test_who_leaves_is_not_forgotten_while_the_catalogue_is_new(folders: Folders) -> None:
    """Neither list loses a router that drains, whichever comes first."""
    kamailio = Kamailio()
    head = "id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string)"
    leaving = f"{head} expires(int)\n0:10.40.64.6:0:0:1:0\n"
    assert _apply(folders, leaving, kamailio, "draining-routers")
    (folders.rendered / "draining-routers").write_text(f"{head} expires(int)\n")
    assert _apply(folders, GOOD, kamailio, new_catalogue=True)
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
    head = "id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string)"
    for until in (1795624971, 1795625031):
        text = f"{head} expires(int)\n0:until:0:0:{until}:0\n"
        assert _apply(folders, text, Kamailio(), "provisioned-sources", new_catalogue=True)

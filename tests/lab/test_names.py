"""Names of a lab."""

from __future__ import annotations

import pytest

from host.errors import HostError
from lab.machines import hosts
from lab.names import Names


@pytest.mark.parametrize("name", ["", "Demo", "a-b", "1a", "a" * 13, "../x"])
def test_bad_lab_names_are_refused(name: str) -> None:
    with pytest.raises(HostError, match="not allowed"):
        Names(name)


def test_no_lab_finds_the_namespaces_of_another_by_its_prefix() -> None:
    assert not Names("demo2").cloud_ns.startswith(Names("demo").prefix)


def test_interface_names_fit_the_kernel() -> None:
    names = Names("demo")
    assert len(names.bridge("subnet-0123456789abcdef0")) <= 15
    assert len(names.veth("i-0123456789abcdef0")) <= 15
    assert len(names.veth("db-c4-demo-acme")) <= 15


@pytest.mark.parametrize("address", ["10.0.0.1", "198.51.100.0", "198.51.100.1", "198.51.100.255"])
def test_hosts_live_on_the_internet_side(address: str) -> None:
    with pytest.raises(HostError, match="not allowed"):
        hosts.ensure(Names("demo"), "carrier", address)

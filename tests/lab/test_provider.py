"""Where Terraform's provider comes from."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from host.errors import HostError
from lab.terraform import provider, provider_build

ADDRESS = "registry.example/ns/aws"

PACKAGES = """\
import (
	"context"
	"x/internal/conns"
	"x/internal/service/ec2"
	"x/internal/service/xray"
)

func servicePackages() {
		ec2.ServicePackage(ctx),
		xray.ServicePackage(ctx),
	}
"""

CLIENTS = """\
import (
	"context"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/odb"
	rds_sdkv2 "github.com/aws/aws-sdk-go-v2/service/rds"
)

func (c *AWSClient) DynamoDBClient(ctx context.Context) *dynamodb.Client {
	return errs.Must(client[*dynamodb.Client](ctx, c, names.DynamoDB, make(map[string]any)))
}

func (c *AWSClient) ODBClient(ctx context.Context) *odb.Client {
	return errs.Must(client[*odb.Client](ctx, c, names.ODB, make(map[string]any)))
}

func (c *AWSClient) RDSClient(ctx context.Context) *rds_sdkv2.Client {
	return errs.Must(client[*rds_sdkv2.Client](ctx, c, names.RDS, make(map[string]any)))
}
"""


def test_packed_provider_becomes_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "packed"
    source.mkdir()
    (source / "README.md").write_text("not a provider")
    archive = source / "terraform-provider-aws_v6.34.0_linux_amd64.xz"
    archive.write_bytes(lzma.compress(b"program"))
    mirror = provider.usable(source, [ADDRESS], lambda _: None)
    assert mirror == tmp_path / "cache/c4/terraform/mirror"
    (program,) = (mirror / ADDRESS / "6.34.0/linux_amd64").iterdir()
    assert program.read_bytes() == b"program"
    assert program.stat().st_mode & 0o111


def test_ready_mirror_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mirror = tmp_path / "mirror"
    (mirror / ADDRESS).mkdir(parents=True)
    assert provider.usable(mirror, [ADDRESS], lambda _: None) == mirror
    assert f'path = "{mirror}"' in provider.mirror_config(mirror).read_text()


@pytest.mark.parametrize("content", [None, "empty"])
def test_useless_mirror_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mirror = tmp_path / "mirror"
    if content:
        mirror.mkdir()
    with pytest.raises(HostError, match=str(mirror)):
        provider.usable(mirror, [ADDRESS], lambda _: None)


def test_only_wanted_services_stay() -> None:
    text = provider_build.keep_packages(PACKAGES, {"ec2"})
    assert "xray" not in text
    assert '"x/internal/service/ec2"' in text
    assert "ec2.ServicePackage(ctx)," in text
    assert '"x/internal/conns"' in text


def test_only_used_clients_and_their_imports_stay() -> None:
    text = provider_build.keep_clients(CLIENTS, {"DynamoDBClient", "RDSClient"})
    assert "ODBClient(" not in text.replace("DynamoDBClient(", "")
    assert '/odb"' not in text
    assert 'rds_sdkv2 "github.com' in text
    assert '/dynamodb"' in text


def test_clients_are_found_through_the_services_that_services_import(tmp_path: Path) -> None:
    for name, text in {
        "service/ec2/a.go": 'import "x/internal/service/xray"\nc.EC2Client(ctx)',
        "service/ec2/a_test.go": "c.TestOnlyClient(ctx)",
        "service/xray/b.go": "c.XRayClient(ctx)",
        "service/workmail/c.go": "c.WorkMailClient(ctx)",
        "conns/d.go": "c.STSClient(ctx)",
        "acctest/e.go": "c.AnyClient(ctx)",
    }.items():
        file = tmp_path / "internal" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert provider_build.used_clients(tmp_path) == {"EC2Client", "XRayClient", "STSClient"}

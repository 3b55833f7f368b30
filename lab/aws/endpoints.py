"""The DNS names of the AWS API, for the certificate under which moto serves it."""

from __future__ import annotations

import boto3.session


def api_names() -> list[str]:
    """DNS names of the AWS API in every region. A wildcard covers one label only."""
    regions = boto3.session.Session().get_available_regions("ec2")
    names = ["*.amazonaws.com", "s3.amazonaws.com", "*.s3.amazonaws.com"]
    for region in regions:
        parent = f"{region}.amazonaws.com"
        names += [f"*.{parent}", f"*.s3.{parent}", f"*.s3-control.{parent}"]
    return names

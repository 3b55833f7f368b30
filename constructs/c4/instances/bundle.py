"""The files of a group's instances, which their user data names by digest."""

from __future__ import annotations

from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_aws.s3_object import S3Object
from constructs import Construct


@dataclass(frozen=True)
class BundlePlace:
    """An object with the files of a group's instances: place, base64, ARN of the bucket's key."""

    bucket: str
    object_key: str
    content: str
    encryption_key: str


class BundleObject(Construct):
    """The object that holds a bundle.

    A changed bundle is a new version of the same object. Older versions stay for instances of
    older launch templates: those of an instance refresh that is rolled back.
    """

    def __init__(self, scope: Construct, id_: str, *, place: BundlePlace) -> None:
        super().__init__(scope, id_)
        self.part: ITerraformDependable = S3Object(
            self,
            "object",
            bucket=place.bucket,
            key=place.object_key,
            content_base64=place.content,
            content_type="application/gzip",
        )

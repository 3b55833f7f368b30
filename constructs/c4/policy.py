"""IAM policy documents out of typed statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
)
from constructs import Construct


@dataclass(frozen=True)
class Statement:
    """One `Allow`. `where` maps a condition key to the value that it must have."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    where: Mapping[str, str] = field(default_factory=dict)
    where_like: Mapping[str, str] = field(default_factory=dict)
    where_all: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of a key's many values
    present: Sequence[str] = ()  # keys that the request must have
    service: str | None = None  # principal, in a resource's policy
    account: str | None = None

    @property
    def _principals(self) -> list[DataAwsIamPolicyDocumentStatementPrincipals] | None:
        if self.service is not None:
            kind, identifier = "Service", self.service
        elif self.account is not None:
            kind, identifier = "AWS", self.account
        else:
            return None
        return [DataAwsIamPolicyDocumentStatementPrincipals(type=kind, identifiers=[identifier])]

    def to_struct(self) -> DataAwsIamPolicyDocumentStatement:
        conditions = (
            [
                DataAwsIamPolicyDocumentStatementCondition(test=test, variable=key, values=[value])
                for test, pairs in (("StringEquals", self.where), ("ArnLike", self.where_like))
                for key, value in pairs.items()
            ]
            + [
                DataAwsIamPolicyDocumentStatementCondition(
                    test="ForAllValues:StringEquals", variable=key, values=list(values)
                )
                for key, values in self.where_all.items()
            ]
            + [
                DataAwsIamPolicyDocumentStatementCondition(
                    test="Null", variable=key, values=["false"]
                )
                for key in self.present
            ]
        )
        return DataAwsIamPolicyDocumentStatement(
            sid=self.sid,
            effect="Allow",
            actions=list(self.actions),
            resources=list(self.resources) or None,
            principals=self._principals,
            condition=conditions or None,
        )


def document(scope: Construct, id_: str, statements: Sequence[Statement]) -> str:
    """JSON text of a policy, for the `policy` argument of a resource."""
    return DataAwsIamPolicyDocument(
        scope, id_, statement=[statement.to_struct() for statement in statements]
    ).json

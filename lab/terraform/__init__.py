"""Terraform and the AWS provider, run against the local cloud."""

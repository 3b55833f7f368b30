# The AWS provider for Terraform. `make lock-provider` adds the published checksums, which it takes from the
# registry; nobody has run it yet where the registry can be reached. Until then Terraform records them
# beside each stack when it first installs the provider.
provider "registry.terraform.io/hashicorp/aws" {
  version     = "6.34.0"
  constraints = "6.34.0"
}

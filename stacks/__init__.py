"""The Terraform stacks: one module each."""

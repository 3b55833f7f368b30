"""The local cloud's IAM in this process: roles out of synthesized stacks, and what agents do."""

"""What a deployment needs of an AWS account, beside what the account may have."""

"""The local cloud: the synthesized stacks on one Linux machine, without an AWS account.

moto answers the AWS API; every instance that an autoscaling group launches boots as a real
systemd machine with the address that moto gave it. Use it through `lab.api.Lab`.
"""

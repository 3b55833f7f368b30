"""IAM as AWS enforces it: every call of an instance is judged by the policies of its role.

`enforcement` stands before moto. It recognises the caller (`sessions`), reads what is asked for
(`calls`), says which permissions that takes on which resources (`needs`), and decides by the
policies that moto stores (`evaluation`). A call that is denied never reaches moto, and gets AWS's
own error (`errors`). `records` counts everything.
"""

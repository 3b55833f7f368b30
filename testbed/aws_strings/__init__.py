"""AWS's rules for names, descriptions and other strings, applied to synthesized Terraform JSON.

Neither Terraform's provider nor moto checks most of them, so a text that AWS refuses would be
found by the first deployment only. `catalogue` says which rules an attribute has, `rules` what a
rule is, and `lint` reads a deployment.
"""

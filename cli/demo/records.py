"""Call records of the demo, read through router-confd's management API.

`python -m cli.demo.records` runs inside the local cloud, as `cli.demo.provision` does; it reads an
`Access` as JSON from standard input and prints the tenant's records as a JSON list.
"""

from __future__ import annotations

import json
import sys

from cli.demo.api import Access, Api

if __name__ == "__main__":
    try:
        access = Access.model_validate_json(sys.stdin.read())
        records = Api(access).items("cdrs")
        print(json.dumps([r for r in records if r["tenant_uuid"] == access.tenant_uuid]))
    except RuntimeError as error:
        sys.exit(f"router-confd: {error}")

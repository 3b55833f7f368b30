"""A tenant's objects in router-confd, such as its call records, read through the management API.

`python -m demo.listing RESOURCE` runs inside the local cloud, as `demo.provision` does; it
reads an `Access` as JSON from standard input and prints the tenant's objects as a JSON list.
"""

from __future__ import annotations

import json
import sys

from demo.api import Access, Api

if __name__ == "__main__":
    try:
        access = Access.model_validate_json(sys.stdin.read())
        found = Api(access).items(sys.argv[1])
        print(json.dumps([one for one in found if one["tenant_uuid"] == access.tenant_uuid]))
    except RuntimeError as error:
        sys.exit(f"router-confd: {error}")

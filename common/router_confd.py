"""What router-confd and the agent of its instance agree on."""

from typing import Final

# A metric of router-confd, 1 or 0: the database refuses the login that the credentials file holds.
LOGIN_REFUSED: Final = "router_confd_database_login_refused"

"""Alembic environment: runs on the connection that `router_confd.database.migrate` hands over."""

from alembic import context

from router_confd.database.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

"""What alembic runs around the migrations: always on the connection, and in the transaction, that `migrate` gives."""

from alembic import context

from station.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction holds all migrations together
)
context.run_migrations()

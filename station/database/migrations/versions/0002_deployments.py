"""Deployments and approvals (append-only), and pictures that models and projects rest on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("model_hash", sa.Text, nullable=False),
        sa.Column("approved_at", sa.Text, nullable=False),
        sa.Column("approver", sa.Text, nullable=False),
        sa.Column("is_authenticated", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_approvals"),
        sa.ForeignKeyConstraint(["model_hash"], ["model_versions.hash"], name="fk_approvals_model_hash_model_versions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_approvals_model_hash", "approvals", ["model_hash"])
    op.create_table(
        "deployments",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("model_hash", sa.Text, nullable=False),
        sa.Column("deployed_at", sa.Text, nullable=False),
        sa.Column("deployed_by", sa.Text, nullable=False),
        sa.Column("rolled_back_to", sa.Integer),
        sa.Column("notes", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_deployments"),
        sa.ForeignKeyConstraint(
            ["model_hash"], ["model_versions.hash"], name="fk_deployments_model_hash_model_versions"
        ),
        sa.UniqueConstraint("recipe", "revision", name="uq_deployments_recipe_revision"),
        sqlite_autoincrement=True,
    )
    for table in ("approvals", "deployments"):
        _forbid_changes(table)
    op.create_table(
        "pins",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "content_hash", name="pk_pins"),
    )
    op.create_index("ix_pins_content_hash", "pins", ["content_hash"])


def _forbid_changes(table: str) -> None:
    """Whatever program opens the file: rows are only ever added."""
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_forbid_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    op.execute(
        f"CREATE TRIGGER {table}_forbid_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE sequence = NEW.sequence) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )

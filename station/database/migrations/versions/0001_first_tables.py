"""First tables: inspections and reviews (append-only), recipes, model versions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inspections",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("captured_at", sa.Text, nullable=False),
        sa.Column("serial", sa.Text(collation="NOCASE"), nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("recipe_revision", sa.Integer, nullable=False),
        sa.Column("model_hash", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("normalised_score", sa.Float),
        sa.Column("threshold", sa.Float),
        sa.Column("threshold_low", sa.Float),
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("fault", sa.Text),
        sa.Column("given_truth", sa.Text),
        sa.Column("defect_kind", sa.Text),
        sa.Column("width_px", sa.Integer),
        sa.Column("height_px", sa.Integer),
        sa.Column("picture_hash", sa.Text),
        sa.Column("map_hash", sa.Text),
        sa.PrimaryKeyConstraint("sequence", name="pk_inspections"),
        sa.UniqueConstraint("id", name="uq_inspections_id"),
        sa.CheckConstraint("verdict IN ('OK', 'NG', 'UNSURE', 'FAULT')", name="verdict_known"),
        sa.CheckConstraint(
            "verdict = 'FAULT' OR (score IS NOT NULL AND threshold IS NOT NULL)", name="verdict_has_score"
        ),
        sa.CheckConstraint("given_truth IN ('normal', 'anomaly')", name="given_truth_known"),
        sqlite_autoincrement=True,
    )
    for columns in (
        ("captured_at", "verdict", "given_truth", "recipe"),
        ("recipe", "captured_at", "verdict", "given_truth"),
        ("verdict", "captured_at", "given_truth", "recipe"),
        ("serial", "captured_at"),
        ("model_hash", "captured_at"),
    ):
        op.create_index(f"ix_inspections_{'_'.join(columns)}", "inspections", list(columns))
    op.create_table(
        "reviews",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("inspection_id", sa.Text, nullable=False),
        sa.Column("reviewed_at", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("defect_kind", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_reviews"),
        sa.ForeignKeyConstraint(["inspection_id"], ["inspections.id"], name="fk_reviews_inspection_id_inspections"),
        sa.CheckConstraint("finding IN ('confirmed', 'false_call', 'escape')", name="finding_known"),
        sa.CheckConstraint("role IN ('operator', 'supervisor', 'engineer', 'administrator')", name="role_known"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reviews_inspection_id", "reviews", ["inspection_id"])
    for table in ("inspections", "reviews"):
        _forbid_changes(table)
    op.create_table(
        "recipes",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_recipes"),
        sa.UniqueConstraint("name", "revision", name="uq_recipes_name_revision"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "model_versions",
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("manifest", sa.JSON, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("added_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_model_versions"),
    )


def _forbid_changes(table: str) -> None:
    """Whatever program opens the file: rows are only ever added."""
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_forbid_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    # INSERT OR REPLACE deletes the old row without asking the trigger above.
    identity = " OR id = NEW.id" if table == "inspections" else ""
    op.execute(
        f"CREATE TRIGGER {table}_forbid_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE sequence = NEW.sequence{identity}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )

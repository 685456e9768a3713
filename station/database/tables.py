"""All tables: the one SQLAlchemy metadata. A change here needs a migration, and `REVISION` its number.

Everything is kept in types that plain SQLite tools read: text, numbers, JSON, times as UTC ISO 8601.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

REVISION = "0002"
"""The newest migration. Kept here too, so that opening an up-to-date database imports no migration tool."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept as `2026-11-22T03:14:15.000000+00:00`: fixed width, so text order is time order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without time zone cannot be stored: {value}")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


inspections = Table(
    "inspections",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("captured_at", UtcTime, nullable=False),
    # People search serials as they read them, scanners and keyboards differ in case.
    Column("serial", Text(collation="NOCASE"), nullable=False),
    Column("recipe", Text, nullable=False),
    Column("recipe_revision", Integer, nullable=False),
    Column("model_hash", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("score", Float),
    Column("normalised_score", Float),
    Column("threshold", Float),
    Column("threshold_low", Float),
    Column("regions", JSON, nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("fault", Text),
    Column("given_truth", Text),
    Column("defect_kind", Text),
    Column("width_px", Integer),
    Column("height_px", Integer),
    Column("picture_hash", Text),
    Column("map_hash", Text),
    UniqueConstraint("id"),
    CheckConstraint("verdict IN ('OK', 'NG', 'UNSURE', 'FAULT')", name="verdict_known"),
    CheckConstraint("verdict = 'FAULT' OR (score IS NOT NULL AND threshold IS NOT NULL)", name="verdict_has_score"),
    CheckConstraint("given_truth IN ('normal', 'anomaly')", name="given_truth_known"),
    # SQLite ends every index with `sequence`, so each of these also gives its rows in paging order.
    # The first three hold all that the counters and the matrix ask for, whichever of their columns is filtered.
    Index(None, "captured_at", "verdict", "given_truth", "recipe"),
    Index(None, "recipe", "captured_at", "verdict", "given_truth"),
    Index(None, "verdict", "captured_at", "given_truth", "recipe"),
    Index(None, "serial", "captured_at"),
    Index(None, "model_hash", "captured_at"),
    sqlite_autoincrement=True,
)

reviews = Table(
    "reviews",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("inspection_id", ForeignKey(inspections.c.id), nullable=False),
    Column("reviewed_at", UtcTime, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("finding", Text, nullable=False),
    Column("defect_kind", Text),
    Column("note", Text, nullable=False),
    CheckConstraint("finding IN ('confirmed', 'false_call', 'escape')", name="finding_known"),
    CheckConstraint("role IN ('operator', 'supervisor', 'engineer', 'administrator')", name="role_known"),
    Index(None, "inspection_id"),
    sqlite_autoincrement=True,
)

recipes = Table(
    "recipes",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("name", "revision"),
    sqlite_autoincrement=True,
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("file", Text, nullable=False),
    Column("added_at", UtcTime, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("model_hash", ForeignKey(model_versions.c.hash), nullable=False),
    Column("approved_at", UtcTime, nullable=False),
    Column("approver", Text, nullable=False),
    Column("is_authenticated", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "model_hash"),
    sqlite_autoincrement=True,
)

deployments = Table(
    "deployments",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("recipe", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("model_hash", ForeignKey(model_versions.c.hash), nullable=False),
    Column("deployed_at", UtcTime, nullable=False),
    Column("deployed_by", Text, nullable=False),
    Column("rolled_back_to", Integer),
    Column("notes", Text, nullable=False),
    UniqueConstraint("recipe", "revision"),
    sqlite_autoincrement=True,
)

pins = Table(
    "pins",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("content_hash", Text, primary_key=True),
    Index(None, "content_hash"),
)
"""Stored pictures that must be kept while their owner (a project, a model) is there, whatever their age."""

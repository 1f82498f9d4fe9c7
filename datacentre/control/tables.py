"""The tables of the control store."""

from datetime import UTC, datetime

import sqlalchemy as sa

metadata = sa.MetaData()


class Instant(sa.TypeDecorator[datetime]):
    """A UTC instant; SQLite keeps no zone, so it is put back on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


# SQLite gives an autoincrement only to INTEGER.
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

stage_outcome = sa.Table(
    "stage_outcome",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("stage", sa.String, nullable=False),
    sa.Column("stream", sa.String, nullable=False),
    sa.Column("interval", sa.String, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=False),
    sa.Column("rows_in", sa.BigInteger, nullable=False),
    sa.Column("rows_out", sa.BigInteger, nullable=False),
    sa.Column("rows_quarantined", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("stage_outcome_latest", "stage", "stream", "ended_at"),
)

# Of the statuses, all but `superseded` cover their range.
_COVERS = sa.text("status <> 'superseded'")
_IS_OPEN = sa.text("resolved_at is null")

certificate = sa.Table(
    "certificate",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("stream", sa.String, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("start_offset", sa.BigInteger, nullable=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("failing", sa.JSON, nullable=False),
    sa.Column("contract_hash", sa.String, nullable=False),
    sa.Column("suite_hash", sa.String, nullable=False),
    sa.Column("landed_version", sa.BigInteger, nullable=False),
    sa.Column("replaces", sa.BigInteger),
    sa.Column("decided_by", sa.String),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("decided_at", Instant),
    sa.CheckConstraint("0 <= start_offset and start_offset < next_offset", name="certificate_range"),
    sa.Index(
        "certificate_start",
        "stream",
        "partition",
        "start_offset",
        unique=True,
        sqlite_where=_COVERS,
        postgresql_where=_COVERS,
    ),
    # Without it SQLite hands the number of a deleted last row out again.
    sqlite_autoincrement=True,
)

# What an increment was held against, by the hash that its certificates name: a JSON list in the suite's order.
validation_suite = sa.Table(
    "validation_suite",
    metadata,
    sa.Column("hash", sa.String, primary_key=True),
    sa.Column("stream", sa.String, nullable=False),
    sa.Column("demands", sa.JSON, nullable=False),
    sa.Column("first_used_at", Instant, nullable=False),
)

_NEW = sa.text("not is_summarised")

# What came of one increment, whose certificates are `certificate_id` to `last_certificate_id`. `results` stands in the
# order of the suite's demands: null where one wasn't asked, the number of rows where all of them met it, else rows,
# unexpected rows and whether it was met.
validation = sa.Table(
    "validation",
    metadata,
    sa.Column("certificate_id", _Number, primary_key=True, autoincrement=False),
    sa.Column("last_certificate_id", sa.BigInteger, nullable=False),
    sa.Column("stream", sa.String, nullable=False),
    sa.Column("suite_hash", sa.String, nullable=False),
    sa.Column("validated_at", Instant, nullable=False),
    sa.Column("is_passed", sa.Boolean, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("deletions", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("results", sa.JSON, nullable=False),
    sa.Column("is_summarised", sa.Boolean, nullable=False),
    sa.Index("validation_new", "certificate_id", sqlite_where=_NEW, postgresql_where=_NEW),
    sa.Index("validation_age", "validated_at"),
)

# Validations added up by expectation over an hour or a day (`hours` 1 or 24). The expectation "" is the increment as a
# whole, met where it passed.
validation_summary = sa.Table(
    "validation_summary",
    metadata,
    sa.Column("stream", sa.String, primary_key=True),
    sa.Column("expectation", sa.String, primary_key=True),
    sa.Column("hours", sa.Integer, primary_key=True),
    sa.Column("starts_at", Instant, primary_key=True),
    sa.Column("asked", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("unexpected", sa.BigInteger, nullable=False),
    sa.Column("last_met_id", sa.BigInteger),
    sa.Column("last_met_at", Instant),
    sa.Column("last_failed_id", sa.BigInteger),
    sa.Column("last_failed_at", Instant),
    sa.Index("validation_summary_period", "hours", "starts_at"),
)

# How old a stream's new rows were when a version of the marts first showed them, in seconds.
ops_freshness = sa.Table(
    "ops_freshness",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("stream", sa.String, nullable=False),
    sa.Column("version", sa.String, nullable=False),
    sa.Column("published_at", Instant, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("produced_p50", sa.Float, nullable=False),
    sa.Column("produced_p95", sa.Float, nullable=False),
    sa.Column("event_p50", sa.Float),
    sa.Column("event_p95", sa.Float),
    sa.Index("ops_freshness_newest", "stream", "id"),
)

# What somebody should look at: at most one open row per kind and stream.
alert = sa.Table(
    "alert",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("stream", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("resolved_at", Instant),
    sa.Index("alert_open", "kind", "stream", unique=True, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
)

# Which channel has taken that an alert is open, and that it is resolved.
alert_told = sa.Table(
    "alert_told",
    metadata,
    sa.Column("alert", _Number, sa.ForeignKey("alert.id"), primary_key=True),
    sa.Column("channel", sa.String, primary_key=True),
    sa.Column("state", sa.String, primary_key=True),
    sa.Column("told_at", Instant, nullable=False),
)

# How far a database source has read: the last row that Kafka acknowledged.
source_position = sa.Table(
    "source_position",
    metadata,
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("position", sa.JSON, nullable=False),
    sa.Column("stored_at", Instant, nullable=False),
)

# The Kafka keys that a database source has sent and not deleted; `scan` numbers the scan that last saw one.
source_key = sa.Table(
    "source_key",
    metadata,
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("scan", sa.BigInteger, nullable=False),
    sa.Index("source_key_scan", "source", "scan"),
)

# Who asked to be erased, by pseudonym only. Rows of both tables are never changed.
erasure_request = sa.Table(
    "erasure_request",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("person_key", sa.String, nullable=False),
    sa.Column("pseudonym_key_id", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("authority", sa.Text, nullable=False),
    sa.Column("requested_by", sa.String, nullable=False),
    sa.Column("requested_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

# What was certified to be erased, and the SHA-256 of the certificate's file.
erasure = sa.Table(
    "erasure",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("request", _Number, sa.ForeignKey("erasure_request.id"), nullable=False),
    sa.Column("person_key", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("authority", sa.Text, nullable=False),
    sa.Column("done_by", sa.String, nullable=False),
    sa.Column("done_at", Instant, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("certificate_sha256", sa.String, nullable=False),
    sqlite_autoincrement=True,
)

# What has landed by hour of the broker's clock: each row of the lake is counted once, when it is first checked.
# `is_opening` marks the row by which a stream first reached an hour. `counts` is by column and class.
hour_profile = sa.Table(
    "hour_profile",
    metadata,
    sa.Column("stream", sa.String, primary_key=True),
    sa.Column("hour", Instant, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("first_offset", sa.BigInteger, nullable=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
    sa.Column("is_opening", sa.Boolean, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Index("hour_profile_position", "stream", "partition", "next_offset"),
    sa.Index("hour_profile_opening", "stream", "is_opening", "hour"),
)

# Where a value first landed. `key` is a hash over stream, columns and values; from 0 on it begins with the day of the
# event and is forgotten with it, below 0 it is kept.
landed_key = sa.Table(
    "landed_key",
    metadata,
    sa.Column("key", _Number, primary_key=True, autoincrement=False),
    sa.Column("kafka_partition", sa.Integer, nullable=False),
    sa.Column("kafka_offset", sa.BigInteger, nullable=False),
)

# What was found or decided about who is who: rows are never changed, the state is what they add up to. Persons stand
# here by pseudonym only. `about` is the event that this one decides on or takes back; `candidates` are pairs of
# pseudonym and probability.
identity_event = sa.Table(
    "identity_event",
    metadata,
    sa.Column("number", _Number, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("person_key", sa.String),
    sa.Column("other_key", sa.String),
    sa.Column("stream", sa.String),
    sa.Column("kafka_partition", sa.Integer),
    sa.Column("kafka_offset", sa.BigInteger),
    sa.Column("probability", sa.Float),
    sa.Column("model_id", sa.String),
    sa.Column("candidates", sa.JSON),
    sa.Column("about", sa.BigInteger),
    sa.Index("identity_event_kind", "kind", "number"),
    sqlite_autoincrement=True,
)

"""Kafka to files with Spark Structured Streaming; runs in `.venv-bench`, told by one JSON argument.

Says on standard output when each run begins and ends, one JSON object a line: the measuring is done outside.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f


def main(order: dict[str, Any]) -> None:
    """Stream the topic, or read a table, as the order says."""
    spark = _session(order)
    if "read" in order:
        print(json.dumps(_figures(spark, order["read"], order["sums"])), flush=True)
    else:
        _stream_all(spark, order)
    spark.stop()


def _stream_all(spark: SparkSession, order: dict[str, Any]) -> None:
    """Every format `runs` times over the whole topic, in one session that gets warm."""
    for form in order["formats"]:
        for run in range(order["runs"]):
            folder = Path(order["folder"]) / form
            shutil.rmtree(folder, ignore_errors=True)
            _say(event="begin", format=form, run=run)
            begun = time.monotonic()
            rows = _stream(_records(spark, order), form, folder)
            _say(event="end", format=form, run=run, rows=rows, seconds=time.monotonic() - begun)
            sys.stdin.readline()  # until the meter has been read


def _figures(spark: SparkSession, table: str, sums: list[str]) -> dict[str, int]:
    """Rows, sums of columns and distinct events of a Delta table."""
    totals = [f.sum(name).cast("bigint").alias(name) for name in sums]
    frame = spark.read.format("delta").load(table)
    found = frame.agg(f.count("*").alias("rows"), *totals, f.countDistinct("event_id").alias("distinct_events"))
    return dict(found.collect()[0].asDict())


def _session(order: dict[str, Any]) -> SparkSession:
    settings = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.extraClassPath": ":".join(order["jars"]),
        "spark.driver.memory": order["memory"],
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        **order["settings"],
    }
    builder = SparkSession.builder.master("local[2]").appName("bench")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _records(spark: SparkSession, order: dict[str, Any]) -> DataFrame:
    """The contract's fields typed, beside where each record came from; no rule is checked."""
    raw = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", order["servers"])
        .option("subscribe", order["topic"])
        .option("startingOffsets", "earliest")
        .load()
    )
    return raw.select(
        f.col("partition").alias("kafka_partition"),
        f.col("offset").alias("kafka_offset"),
        f.col("timestamp").alias("broker_time"),
        f.to_date("timestamp").alias("ingest_date"),
        f.col("key").cast("string").alias("record_key"),
        f.from_json(f.col("value").cast("string"), order["schema"]).alias("record"),
    ).select("kafka_partition", "kafka_offset", "broker_time", "ingest_date", "record_key", "record.*")


def _stream(records: DataFrame, form: str, folder: Path) -> int:
    writer = records.writeStream.format(form).option("checkpointLocation", str(folder / "checkpoint"))
    query = writer.partitionBy("ingest_date").trigger(availableNow=True).start(str(folder / "table"))
    query.awaitTermination()
    return sum(int(progress["numInputRows"]) for progress in query.recentProgress)


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

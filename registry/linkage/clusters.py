"""Records that are one person's, from pairs that are."""

import pyarrow as pa
import pyarrow.compute as pc
from splink import DuckDBAPI
from splink.clustering import cluster_pairwise_predictions_at_threshold

from registry.linkage.roles import RECORD_ID


def clusters(record_ids: pa.ChunkedArray, scores: pa.Table, linked: float) -> pa.Table:
    """`record_id` and `cluster_id`: whoever is linked to a member is one; a cluster is named by its least record id."""
    sure = scores.filter(pc.greater_equal(scores["match_probability"], linked))
    found = cluster_pairwise_predictions_at_threshold(
        nodes=pa.table({RECORD_ID: record_ids}), edges=sure, db_api=DuckDBAPI(), node_id_column_name=RECORD_ID
    ).as_pyarrow_table()
    return found.select([RECORD_ID, "cluster_id"])

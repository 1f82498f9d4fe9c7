"""An agency's analyst: a mart as a pandas table, in one request.

    DATACENTRE_KEY=... python analyst.py fct_service_case service-evaluation

Needs pandas and pyarrow. `DATACENTRE_URL` names the service, by default the one on this machine.
"""

import io
import os
import sys
from urllib.request import Request, urlopen

import pandas as pd

URL = os.environ.get("DATACENTRE_URL", "http://127.0.0.1:18092")


def mart(name: str, purpose: str) -> pd.DataFrame:
    """All rows and columns that the agreement gives for this purpose."""
    headers = {"Authorization": f"Bearer {os.environ['DATACENTRE_KEY']}", "X-Purpose": purpose}
    with urlopen(Request(f"{URL}/v1/marts/{name}/rows?format=parquet", headers=headers)) as answer:
        return pd.read_parquet(io.BytesIO(answer.read()))


if __name__ == "__main__":
    table = mart(*sys.argv[1:3])
    print(f"{len(table):,} rows")
    print(table.describe(include="all").T.head(20).to_string())

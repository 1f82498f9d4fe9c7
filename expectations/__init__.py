"""The gate: Great Expectations suites derived from the contracts, and extra ones written by hand."""

import os

# Great Expectations reads it when it is imported, which must not be before.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

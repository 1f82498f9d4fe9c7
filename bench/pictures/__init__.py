"""Pictures of the running centre's Airflow, taken in a real browser."""

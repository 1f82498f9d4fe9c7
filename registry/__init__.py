"""The registry of persons: who a record is about, and what the state was told already. Restricted zone."""

"""What leaves the centre: agreements, releases, extracts, lookups, and the log of every read."""

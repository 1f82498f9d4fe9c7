"""A stream near real time: its certified rows in the order in which they were certified, then, where the agreement
says so, what has landed and nobody has audited yet."""

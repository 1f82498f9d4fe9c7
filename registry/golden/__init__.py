"""Golden records: what the state knows of each person, from which event, and why that one was believed."""

"""The registry over five million events, and increments over ten times less history."""

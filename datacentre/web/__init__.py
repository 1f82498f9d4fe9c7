"""What both HTTP services of a centre share: keys, problem documents, the log of requests."""

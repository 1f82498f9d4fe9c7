"""What an incremental build costs, over little history and over ten times as much."""

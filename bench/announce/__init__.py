"""How soon a commit is an asset event, and what that costs: posted by the sink, or seen by an AssetWatcher."""


def watched(stream: str) -> str:
    """URI of the asset that a watcher updates."""
    return f"bench://watched/{stream}"

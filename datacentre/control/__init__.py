"""The control store: what each stage did, which offset ranges are certified, which commit holds what."""

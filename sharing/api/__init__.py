"""The HTTP service that consumers read through (docs/serve.md)."""

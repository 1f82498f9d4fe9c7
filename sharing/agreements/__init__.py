"""Who may have what, and for which purpose."""

from sharing.agreements.load import load_agreements

__all__ = ["load_agreements"]

"""Who may have what, and for which purpose."""

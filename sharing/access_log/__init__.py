"""Who read what, when and for which purpose: an append-only log whose entries each hold the hash of the one before."""

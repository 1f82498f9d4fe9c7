"""Lookups and Arrow extracts through the service, as its clients see them."""

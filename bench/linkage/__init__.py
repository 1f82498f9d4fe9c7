"""How well persons are found again, on published data whose truth is known."""

"""Static pages: HTML that needs no script, no server and no file from elsewhere."""

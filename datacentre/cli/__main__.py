"""`python -m datacentre.cli`, for processes that start the program themselves."""

from datacentre.cli.main import app

app()

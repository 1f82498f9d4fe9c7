"""The program `datacentre`."""

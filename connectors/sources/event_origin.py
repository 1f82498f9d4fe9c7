"""Where a record came from, as far as its event id tells: the file source and the database source number their rows."""

import re

_OF_FILE = re.compile(r"([0-9a-f]{16})-(\d+)-(\d+)")
_OF_DATABASE = re.compile(r"([0-9a-f]{32})-(\d+)")


def told_by(event_id: str) -> str:
    """In words, without any value of the record."""
    if of_file := _OF_FILE.fullmatch(event_id):
        return f"row {of_file[2]} of the file whose SHA-256 begins with {of_file[1]}"
    if of_database := _OF_DATABASE.fullmatch(event_id):
        return f"row of the agency's database whose position has the hash {of_database[1]}"
    return "request or file of the agency, which numbered the event itself"

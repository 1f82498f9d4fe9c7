"""How the pass reads a field's value."""

STRING, INTEGER, NUMBER, BOOLEAN, DATE, TIMESTAMP, STRINGS, INTEGERS = range(8)

"""Cases about one field's value: numbers, texts, dates, and whether it is there."""

from collections.abc import Iterator

from bench.decode.case import Case, message

NOT_JSON = ("record.not_json",)
NULL_CHARACTER = ("record.null_character",)


def value_cases() -> Iterator[Case]:
    yield from _integers()
    yield from _numbers()
    yield from _texts()
    yield from _dates()
    yield from _presence()


def _integers() -> Iterator[Case]:
    for name, text, value in (
        ("largest 64-bit integer", "9223372036854775807", 2**63 - 1),
        ("integer above 2^53", "9007199254740993", 2**53 + 1),
        ("integer as 1.0", "1.0", 1),
        ("integer as 1e2", "1e2", 100),
        ("integer as 1E+2", "1E+2", 100),
        ("integer as 10e-1", "10e-1", 1),
    ):
        yield Case(name, message(revision=text), reads={"revision": value})
    smallest = message(revision="-9223372036854775808")
    yield Case("smallest 64-bit integer", smallest, ("revision.range",), {"revision": -(2**63)})
    yield Case("minus zero as integer", message(revision="-0"), ("revision.range",), {"revision": 0})
    for name, text in (
        ("64-bit integer plus one", "9223372036854775808"),
        ("64-bit integer minus one", "-9223372036854775809"),
        ("integer of 400 digits", "1" * 400),
        ("integer as 1e400", "1e400"),
        ("integer above 2^53 as a fraction", "9007199254740993.0"),
        ("integer with a fraction", "1.5"),
        ("integer in quotes", '"1"'),
        ("integer as true", "true"),
        ("integer in an array", "[1]"),
        ("NaN as integer", "NaN"),
    ):
        yield Case(name, message(revision=text), ("revision.type",))
    for name, text in (
        ("01", "01"),
        ("+1", "+1"),
        ("1.", "1."),
        (".5", ".5"),
        ("-", "-"),
        ("0x1", "0x1"),
        ("1e", "1e"),
    ):
        yield Case(f"number written {name}", message(revision=text), NOT_JSON)


def _numbers() -> Iterator[Case]:
    for name, text, value in (
        ("decimal", "0.1", 0.1),
        ("decimal of 25 digits", "0.1234567890123456789012345", 0.12345678901234568),
        ("exponent", "-2.5E-3", -0.0025),
        ("largest double", "1.7976931348623157e308", 1.7976931348623157e308),
        ("number too small for a double", "1e-400", 0.0),
        ("number of 300 digits", "1" * 300, float("1" * 300)),
        ("integer for a number", "45", 45.0),
    ):
        yield Case(name, message(target_value=text), reads={"target_value": value})
    for name, text in (
        ("number too large for a double", "1e400"),
        ("number of 400 digits", "1" * 400),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("inf", "inf"),
        ("NaN in quotes", '"NaN"'),
        ("number in quotes", '"45"'),
        ("number as false", "false"),
        ("number as an object", '{"value": 45}'),
    ):
        yield Case(name, message(target_value=text), ("target_value.type",))


def _texts() -> Iterator[Case]:
    for name, text, value in (
        ("escapes", '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'),
        ("unicode escape", '"\\u0f40\\u00E9"', "ཀé"),
        ("surrogate pair in escapes", '"\\ud83d\\ude00"', "😀"),
        ("an escaped backslash before u0000", '"a\\\\u0000"', "a\\u0000"),
        ("DEL", '"a\x7f"', "a\x7f"),
        ("200 emoji", '"' + "😀" * 200 + '"', "😀" * 200),
    ):
        yield Case(name, message(title=text), reads={"title": value})
    for name, text in (
        ("lone high surrogate", '"\\ud83d"'),
        ("lone low surrogate", '"\\ude00"'),
        ("surrogates in the wrong order", '"\\ude00\\ud83d"'),
        ("unknown escape", '"\\x41"'),
        ("short unicode escape", '"\\u12"'),
    ):
        yield Case(name, message(title=text), NOT_JSON)
    yield Case("escaped NUL", message(title='"a\\u0000b"'), NULL_CHARACTER)
    yield Case("escaped NUL after an escaped backslash", message(title='"a\\\\\\u0000"'), NULL_CHARACTER)
    for name, text in (
        ("text as a number", "1"),
        ("text as true", "true"),
        ("text as an array", '["a"]'),
        ("text as an object", '{"a": "b"}'),
    ):
        yield Case(name, message(title=text), ("title.type",))
    yield Case("empty text", message(title='""'), ("title.length",), {"title": ""})
    yield Case("201 letters", message(title=f'"{"x" * 201}"'), ("title.length",), {"title": "x" * 201})


def _dates() -> Iterator[Case]:
    for name, text in (
        ("time with an offset", '"2026-03-01T16:00:00+06:00"'),
        ("time in small letters", '"2026-03-01t10:00:00z"'),
        ("time with nanoseconds", '"2026-03-01T10:00:00.123456789Z"'),
        ("a date for a time", '"2026-03-01"'),
    ):
        yield Case(name, message(event_time=text))
    for name, text in (
        ("time without an offset", '"2026-03-01T10:00:00"'),
        ("time with a space", '"2026-03-01 10:00:00Z"'),
        ("leap second", '"2016-12-31T23:59:60Z"'),
        ("hour 24", '"2026-03-01T24:00:00Z"'),
        ("seconds since 1970", "1772359200"),
        ("time with a newline", '"2026-03-01T10:00:00Z\\n"'),
    ):
        yield Case(name, message(event_time=text), ("event_time.type",))
    for name, text in (
        ("30 February", '"2026-02-30"'),
        ("29 February of no leap year", '"2025-02-29"'),
        ("date without hyphens", '"20260401"'),
        ("date with a time", '"2026-04-01T00:00:00Z"'),
        ("date as a number", "20260401"),
        ("date in full-width digits", '"２０２６-04-01"'),
    ):
        yield Case(name, message(effective_from=text), ("effective_from.type",))


def _presence() -> Iterator[Case]:
    yield Case("optional field missing", message(), reads={"status": None})
    yield Case("optional field null", message(', "status": null'), reads={"status": None})
    yield Case("required field missing", message(title=""), ("title.required",))
    yield Case("required field null", message(title="null"), ("title.required",))
    both = ("record.unknown_field", "title.required")
    yield Case("required field missing, field unknown", message(', "Title": "x"', title=""), both)

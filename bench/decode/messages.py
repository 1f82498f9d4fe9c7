"""Cases about the message as a whole: its bytes, its grammar (RFC 8259), its names."""

from collections.abc import Iterator

from bench.decode.case import Case, message, nested

GOOD = message()
DEEP = 10_000
BIG = 10_000_000

NOT_UTF8 = ("record.not_utf8",)
NOT_JSON = ("record.not_json",)
NOT_OBJECT = ("record.not_object",)
UNKNOWN = ("record.unknown_field",)
TWICE = ("record.duplicate_key",)


def message_cases() -> Iterator[Case]:
    yield from _bytes()
    yield from _grammar()
    yield from _whole_values()
    yield from _names()
    yield from _size()


def _bytes() -> Iterator[Case]:
    yield Case("plain", GOOD, reads={"title": "Open evening clinics", "revision": 1})
    yield Case("invalid UTF-8, Latin-1 letter", message(title='"@"').replace(b"@", b"\xe9"), NOT_UTF8)
    yield Case("invalid UTF-8, cut letter", message(title='"@"').replace(b"@", b"\xe2\x82"), NOT_UTF8)
    yield Case("invalid UTF-8, overlong slash", message(title='"@"').replace(b"@", b"\xc0\xaf"), NOT_UTF8)
    yield Case("invalid UTF-8, encoded surrogate", message(title='"\ud83d"'), NOT_UTF8)
    yield Case("invalid UTF-8, above U+10FFFF", message(title='"@"').replace(b"@", b"\xf4\x90\x80\x80"), NOT_UTF8)
    yield Case("UTF-16 with byte order mark", GOOD.decode().encode("utf-16"), NOT_UTF8)
    yield Case("UTF-16 without mark", GOOD.decode().encode("utf-16-le"), NOT_JSON)
    yield Case("UTF-8 byte order mark", b"\xef\xbb\xbf" + GOOD, NOT_JSON)
    yield Case("Dzongkha and emoji", message(title='"རྫོང་ཁ 😀"'), reads={"title": "རྫོང་ཁ 😀"})
    yield Case("noncharacter U+FFFF", message(title='"\uffff"'), reads={"title": "\uffff"})
    yield Case("NUL byte in a text", message(title='"a\x00b"'), NOT_JSON)
    yield Case("NUL byte between members", GOOD.replace(b', "title"', b',\x00"title"'), NOT_JSON)
    yield Case("NUL byte at the end", GOOD + b"\x00", NOT_JSON)


def _grammar() -> Iterator[Case]:
    yield Case("trailing comma in the object", message(","), NOT_JSON)
    yield Case("trailing comma in an array", message(target_value="[1,]"), NOT_JSON)
    yield Case("trailing comma look-alike in a text", message(title='"a,] b,}\\",}"'), reads={"title": 'a,] b,}",}'})
    yield Case("two commas", message(', , "status": "active"'), NOT_JSON)
    yield Case("leading comma", b"{," + GOOD[1:], NOT_JSON)
    yield Case("block comment", message(" /* until further notice */"), NOT_JSON)
    yield Case("line comment", GOOD + b" // seen", NOT_JSON)
    yield Case("single quotes", GOOD.replace(b'"', b"'"), NOT_JSON)
    yield Case("name without quotes", message(', status: "active"'), NOT_JSON)
    yield Case("missing colon", message(', "status" "active"'), NOT_JSON)
    yield Case("cut in the middle", GOOD[: len(GOOD) // 2], NOT_JSON)
    yield Case("cut by one byte", GOOD[:-1], NOT_JSON)
    yield Case("one brace too many", GOOD + b"}", NOT_JSON)
    yield Case("text after the object", GOOD + b" ok", NOT_JSON)
    yield Case("two objects", GOOD + GOOD, NOT_JSON)
    yield Case("two objects on two lines", GOOD + b"\n" + GOOD, NOT_JSON)
    yield Case("newlines between members", GOOD.replace(b", ", b",\r\n\t"), reads={"revision": 1})
    yield Case("newline inside a text", message(title='"a\nb"'), NOT_JSON)
    yield Case("tab inside a text", message(title='"a\tb"'), NOT_JSON)
    yield Case("white space around", b" \t\r\n" + GOOD + b"\n ", reads={"revision": 1})
    yield Case("no-break space between members", GOOD.replace(b", ", b",\xc2\xa0", 1), NOT_JSON)
    yield Case("form feed before the object", b"\x0c" + GOOD, NOT_JSON)
    yield Case("capital TRUE", message(title="TRUE"), NOT_JSON)


def _whole_values() -> Iterator[Case]:
    yield Case("empty message", b"", NOT_JSON)
    yield Case("only white space", b" \n", NOT_JSON)
    yield Case("empty object", b"{}", ("schema.required",))
    yield Case("the record in an array", b"[" + GOOD + b"]", NOT_OBJECT)
    yield Case("the record as a text", b'"' + GOOD.replace(b'"', b'\\"') + b'"', NOT_OBJECT)
    yield Case("a number", b"1", NOT_OBJECT)
    yield Case("the word null", b"null", NOT_OBJECT)
    yield Case("an error page", b"<html>502 Bad Gateway</html>", NOT_JSON)


def _names() -> Iterator[Case]:
    yield Case("name twice, same value", message(', "revision": 1'), TWICE)
    yield Case("name twice, other value", message(', "revision": 2'), TWICE)
    yield Case("name twice, once escaped", message(', "\\u0072evision": 2'), TWICE)
    yield Case("name twice, first null", message(', "status": null, "status": "active"'), TWICE)
    yield Case("name twice, last null", message(', "status": "active", "status": null'), TWICE)
    yield Case("name in escapes", GOOD.replace(b'"revision"', b'"\\u0072evision"'), reads={"revision": 1})
    yield Case("unknown field", message(', "remark": "x"'), UNKNOWN)
    yield Case("unknown field, null", message(', "remark": null'), UNKNOWN)
    yield Case("unknown field twice", message(', "remark": 1, "remark": 2'), (*UNKNOWN, *TWICE))
    yield Case("unknown field, other case", message(', "Revision": 2'), UNKNOWN)
    yield Case("only in the other case", message(', "Revision": 2', revision=""), (*UNKNOWN, "revision.required"))
    yield Case("empty name", message(', "": 1'), UNKNOWN)
    yield Case("another version", message(schema='"pmo__policy_action@9.9.9"'), ("record.unknown_contract",))
    yield Case("version in escapes", message(schema='"pmo__policy_action\\u00401.0.0"'), reads={"revision": 1})
    yield Case("version as a number", message(schema="1"), ("record.unknown_contract",))


def _size() -> Iterator[Case]:
    yield Case("10,000 arrays deep in a field", message(target_value=nested(DEEP)), ("target_value.type",))
    yield Case("10,000 arrays deep in an unknown field", message(f', "x": {nested(DEEP)}'), UNKNOWN)
    yield Case("10,000 arrays deep", nested(DEEP).encode(), NOT_OBJECT)
    yield Case("10,000 arrays deep, never closed", b"[" * DEEP, NOT_JSON)
    yield Case("10,000 objects deep", b'{"a":' * DEEP + b"1" + b"}" * DEEP, ("schema.required",))
    yield Case("text of 10 MB", message(title='"' + "x" * BIG + '"'), ("title.length",))
    yield Case("unknown text of 10 MB", message(f', "x": "{"y" * BIG}"'), UNKNOWN)
    yield Case("10 MB of white space", GOOD[:-1] + b" " * BIG + b"}", reads={"revision": 1})

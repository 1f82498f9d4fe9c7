"""What an engineer sees of a quarantined record."""

import pytest

from datacentre.cli.record_view import Line, lay_out
from datacentre.contracts import Contract


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["pmo__deliberation_vote"]


def marked(lines: tuple[Line, ...]) -> dict[str, tuple[str, ...]]:
    return {line.text.strip(): line.broken for line in lines if line.broken}


def test_failing_absent_unknown_and_repeated_fields_are_marked(contract: Contract) -> None:
    value = '{"vote": "perhaps", "mood": "དགའ།", "source": "a", "source": "b", "statement_id": "s1"}'.encode()
    broken = ["event_id.required", "vote.allowed", "record.unknown_field", "record.duplicate_key"]
    assert marked(lay_out(contract, value, broken)) == {
        '"event_id": (absent)': ("event_id.required",),
        '"vote": "perhaps"': ("vote.allowed",),
        '"mood": "དགའ།"': ("record.unknown_field",),
        '"source": "a"': ("record.duplicate_key",),
        '"source": "b"': ("record.duplicate_key",),
    }


def test_a_rule_over_several_fields_marks_those_it_reads(contract: Contract) -> None:
    lines = lay_out(contract, b'{"event_time": "2999-01-01T00:00:00Z"}', ["event_not_after_broker_time"])
    assert '"event_time": "2999-01-01T00:00:00Z"' in marked(lines)


def test_the_position_of_a_json_error_is_pointed_at(contract: Contract) -> None:
    problem, text, pointer = lay_out(contract, b'{"vote": "agree",, "x": 1}', ["record.not_json"])
    assert problem.text.startswith("not JSON at character 17")
    assert text.text[pointer.text.index("^") :].startswith(",")
    assert text.text[: pointer.text.index("^")] == '{\\"vote\\": \\"agree\\",'


def test_bytes_that_are_no_text_say_where(contract: Contract) -> None:
    lines = lay_out(contract, b'{"vote": "\xff"}', ["record.not_utf8"])
    assert lines[0].text.startswith("not UTF-8 at byte 10: 0xff")
    assert '  "vote": "\ufffd"' in [line.text for line in lines]


@pytest.mark.parametrize("value", [None, b"", b"[1]", b"[" * 100_000, b"\x00\x1b[31m", b'{"a": {"b": [{}]}}', b"NaN"])
def test_anything_can_be_shown_and_nothing_moves_the_terminal(contract: Contract, value: bytes | None) -> None:
    lines = lay_out(contract, value, ["record.not_json"])
    assert lines
    assert not [line for line in lines if "\x1b" in line.text or "\n" in line.text]

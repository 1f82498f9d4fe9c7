"""Pseudonyms of columns are HMAC-SHA256, whether OpenSSL shows its block function or not."""

import hashlib
import hmac

import pyarrow as pa
import pytest

from connectors.sink.scan import openssl, pseudonyms
from datacentre.pseudonym import PseudonymKey

KEY = PseudonymKey("k1", bytes(range(32)))
# Around the lengths at which one more block is needed (FIPS 180-4), and beyond ASCII.
TEXTS = ["x" * size for size in (0, 1, 11, 54, 55, 56, 63, 64, 65, 119, 120, 128, 1000)] + ["བཀྲ་ཤིས་ཚེ་རིང་", None]


def expected(text: str | None) -> str | None:
    return None if text is None else hmac.new(KEY.secret, text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture(params=["OpenSSL's block function", "hashlib alone"])
def own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pseudonyms.Pseudonyms:
    if request.param == "hashlib alone":
        monkeypatch.setattr(openssl, "library", None)
    elif openssl.library is None:
        pytest.skip("this Python's OpenSSL doesn't show its block function")
    return pseudonyms.Pseudonyms(KEY)


def test_texts(own: pseudonyms.Pseudonyms) -> None:
    assert own.of(pa.array(TEXTS)).to_pylist() == [expected(t) for t in TEXTS]


def test_lists_of_texts(own: pseudonyms.Pseudonyms) -> None:
    lists = [["a", "b"], None, [], ["a", None]]
    found = own.of(pa.array(lists, pa.list_(pa.string())))
    assert found.to_pylist() == [[expected("a"), expected("b")], None, [], [expected("a"), None]]


def test_empty_texts_alone(own: pseudonyms.Pseudonyms) -> None:
    assert own.of(pa.array(["", ""])).to_pylist() == [expected("")] * 2


def test_other_types_are_refused(own: pseudonyms.Pseudonyms) -> None:
    with pytest.raises(TypeError, match="large_string"):
        own.of(pa.array(["a"], pa.large_string()))


def test_a_column_of_nulls_stays_one(own: pseudonyms.Pseudonyms) -> None:
    assert own.of(pa.nulls(3, pa.string())).to_pylist() == [None] * 3


def test_a_slice_is_refused(own: pseudonyms.Pseudonyms) -> None:
    with pytest.raises(ValueError, match="sliced"):
        own.of(pa.array(["a", "b"])[1:])

"""Spellings of one name have one key, and two names have two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.simulation.population import Population
from connectors.sources.simulation.reference import read_reference
from datacentre.settings import from_environment
from registry.linkage.romanisation import name_key

SPELLINGS = [
    "Tshering Tsering Chhering Tshiring TSHERING",
    "Dorji Dorjee Dorje Dorjey Rdorji",
    "Phuntsho Phuntshok Puntsho Phuntshog Phuntso",
    "Wangchuk Wangchuck",
    "Ugyen Ugen Urgyen",
    "Jigme Jigmi Jigmey",
    "Yeshey Yeshi Yeshe",
    "Tenzin Tenzing",
    "Thinley Thinlay Trinley",
    "Rinzin Rigzin",
    "Zangmo Zangmu",
    "Penjor Penjore",
    "Gyeltshen Gyaltshen Gyeltsen Gyaltsen",
    "Nima Nyima",
    "Passang Pasang",
    "Sangay Sangye Sangey",
    "Chimi Chimmi Chime Chimey",
    "Kuenga Kunga",
]


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_spellings_in_use_have_one_key(spellings: str) -> None:
    assert len({name_key(name) for name in spellings.split()}) == 1


def test_different_names_keep_different_keys() -> None:
    """Those of the simulated citizens; `Dorji` stands among the first names and among the second."""
    people = Population(read_reference(from_environment({}).reference), seed=1, size=4_000).people
    names = {word for person in people for word in person.full_name.split()}
    assert len(names) > 60
    assert len({name_key(name) for name in names}) == len(names)


@given(st.text(min_size=1, max_size=12))
def test_a_word_is_never_brought_to_nothing(word: str) -> None:
    assert name_key(word)

"""How alike two records are, role by role: levels from the most alike to the least, for splink to weigh.

Names of people are compared as a whole. Given name and surname may be exchanged, one may be missing, and where people
have no family name both are given names; a rare name that agrees says more than a common one (term frequencies). The
limits of Jaro-Winkler are those that splink's own comparisons use (0.88 and 0.92; Winkler 1990 for the measure).
"""

from collections.abc import Iterator

import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink.internals.comparison_creator import ComparisonCreator
from splink.internals.comparison_level_creator import ComparisonLevelCreator

from registry.linkage.roles import Roles

_NAME_LIKENESS = 0.88
_PLACE_LIKENESS = 0.9
_JANUARY_FIRST = "-01-01"
_AREA = "^[a-z]*[0-9]{0,2}"
"""The part of a code that stands for a district, in the codes of posts and of gewogs alike."""


def comparisons(roles: Roles) -> list[ComparisonCreator]:
    """One for each thing that the roles tell of a person."""
    return list(_comparisons(roles))


def _comparisons(roles: Roles) -> Iterator[ComparisonCreator]:
    given = roles.given
    if {"given_name", "surname"} <= given:
        yield _comparison("name", _names())
    elif "full_name" in given:
        yield _comparison("name", _whole_names())
    if "birth_date" in given:
        yield _comparison("birth_date", _birth_dates())
    if "street" in given:
        yield _comparison("address", _addresses(given))
    if {"place", "area_code"} & given:
        yield _comparison("place", _places(given))
    for role in ("sex", "region", "house_number", "occupation"):
        if role in given:
            yield cl.ExactMatch(role).configure(term_frequency_adjustments=True)
    if "contact" in given:
        yield _comparison(
            "contact", [cll.NullLevel("contact"), _same("contact"), cll.DamerauLevenshteinLevel("contact", 1)]
        )
    if "local_number" in given:
        yield cl.ExactMatch("local_number")


def _comparison(name: str, levels: list[ComparisonLevelCreator]) -> ComparisonCreator:
    return cl.CustomComparison(output_column_name=name, comparison_levels=[*levels, cll.ElseLevel()])


def _level(condition: str, frequency_of: str | None = None) -> ComparisonLevelCreator:
    """A level, weighted by how frequent the value of a column is that agrees in it."""
    level = cll.CustomLevel(condition)
    if frequency_of is None:
        return level
    return level.configure(tf_adjustment_column=frequency_of, disable_tf_exact_match_detection=True)


def _unknown(*columns: str) -> ComparisonLevelCreator:
    """Nothing can be said where one side has none of the columns."""
    sides = (" and ".join(f"{column}_{side} is null" for column in columns) for side in "lr")
    return cll.CustomLevel(" or ".join(f"({side})" for side in sides)).configure(is_null_level=True)


def _same(column: str) -> ComparisonLevelCreator:
    return _level(f"{column}_l = {column}_r", column)


def _alike(left: str, right: str, limit: float = _NAME_LIKENESS) -> str:
    return f"jaro_winkler_similarity({left}, {right}) > {limit}"


def _names() -> list[ComparisonLevelCreator]:
    given, surname = _alike("given_name_l", "given_name_r"), _alike("surname_l", "surname_r")
    crossed = f"{_alike('given_name_l', 'surname_r')} and {_alike('surname_l', 'given_name_r')}"
    return [
        _unknown("given_name", "surname"),
        _level("given_name_l = given_name_r and surname_l = surname_r", "full_name"),
        _level("name_tokens_l = name_tokens_r"),
        _level(f"{given} and {surname}"),
        _level(crossed),
        _level("surname_l = surname_r and left(given_name_l, 1) = left(given_name_r, 1)", "surname"),
        _same("surname"),
        _level(f"{surname} and list_has_any(name_tokens_l, name_tokens_r)"),
        _level(surname),
        _level("len(list_intersect(name_tokens_l, name_tokens_r)) >= 2"),
        _level("surname_l = given_name_r or given_name_l = surname_r"),
        _same("given_name"),
        _level("list_has_any(name_tokens_l, name_tokens_r)"),
        _level(given),
    ]


def _whole_names() -> list[ComparisonLevelCreator]:
    return [
        _unknown("full_name"),
        _same("full_name"),
        _level("name_tokens_l = name_tokens_r"),
        _level(_alike("full_name_l", "full_name_r", 0.92)),
        _level("len(list_intersect(name_tokens_l, name_tokens_r)) >= 2"),
        _level("list_has_any(name_tokens_l, name_tokens_r)"),
        _level(_alike("full_name_l", "full_name_r")),
    ]


def _birth_dates() -> list[ComparisonLevelCreator]:
    """The first of January stands for many a day that nobody knew."""
    return [
        cll.NullLevel("birth_date"),
        _level(f"birth_date_l = birth_date_r and not ends_with(birth_date_l, '{_JANUARY_FIRST}')", "birth_date"),
        _same("birth_date"),
        cll.DamerauLevenshteinLevel("birth_date", 1),
        _level("left(birth_date_l, 4) = left(birth_date_r, 4)"),
        cll.DamerauLevenshteinLevel("birth_date", 2),
    ]


def _addresses(given: frozenset[str]) -> list[ComparisonLevelCreator]:
    levels: list[ComparisonLevelCreator] = [_unknown(*(role for role in ("street", "locality") if role in given))]
    if "house_number" in given:
        levels.append(_level("street_l = street_r and house_number_l = house_number_r"))
    levels.append(_same("street"))
    if "locality" in given:
        levels.append(_level("street_l = locality_r or locality_l = street_r"))
    levels.append(_level(_alike("street_l", "street_r", _PLACE_LIKENESS)))
    if "locality" in given:
        crossed = (_alike("street_l", "locality_r", _PLACE_LIKENESS), _alike("locality_l", "street_r", _PLACE_LIKENESS))
        levels += [
            _level(" or ".join(crossed)),
            _same("locality"),
            _level(_alike("locality_l", "locality_r", _PLACE_LIKENESS)),
        ]
    return levels


def _places(given: frozenset[str]) -> list[ComparisonLevelCreator]:
    known = [role for role in ("place", "area_code") if role in given]
    levels: list[ComparisonLevelCreator] = [_unknown(*known)]
    if len(known) == 2:
        levels.append(_level("place_l = place_r and area_code_l = area_code_r"))
    levels += [_same(role) for role in reversed(known)]
    near = []
    if "area_code" in given:
        near += ["damerau_levenshtein(area_code_l, area_code_r) <= 1"]
    if "place" in given:
        near += [_alike("place_l", "place_r", _PLACE_LIKENESS)]
    levels.append(_level(" or ".join(near)))
    if "area_code" in given:
        levels.append(_level(" = ".join(f"regexp_extract(area_code_{side}, '{_AREA}')" for side in "lr")))
    return levels

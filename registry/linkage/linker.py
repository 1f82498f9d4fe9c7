"""Train a model on records, and say of pairs how probably they are about one person.

The model of Fellegi and Sunter (1969), as splink 5 estimates it: how often a level of likeness is seen among pairs that
match (expectation maximisation) and among those that don't (random pairs). No labelled pair is needed.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from splink import DuckDBAPI, Linker, SettingsCreator

from datacentre.errors import CheckFailed
from registry.linkage.blocking import paired_rule, rules, sure_rules, training_rules
from registry.linkage.comparisons import comparisons
from registry.linkage.roles import PAIRED, RECORD_ID, Roles
from registry.linkage.smoothing import smoothed

_RANDOM_PAIRS = 2e6
_SEED = 1
_SURE_SHARE = 0.5
"""How many of the true pairs the sure rules are thought to find; a first guess, that scoring corrects."""
_CORRECTIONS = 5
_LEAST_PROBABILITY = 0.001


@dataclass(frozen=True)
class Thresholds:
    """From `linked` on two records are one person's; between `review` and `linked` somebody decides."""

    review: float = 0.5
    linked: float = 0.99


@dataclass(frozen=True)
class Model:
    """What was learnt of one kind of records: the weights of every level, in splink's own form."""

    roles: Roles
    settings: Mapping[str, Any]

    @property
    def prior(self) -> float:
        """Probability that two records taken at random are one person's."""
        return float(self.settings["probability_two_random_records_match"])

    def to_json(self) -> str:
        return json.dumps(self.settings, sort_keys=True)


class Linkage:
    """One table to be searched for duplicates, or two to be linked; as `roles.columns` makes them.

    `frequencies` are tables of `<role>` and `tf_<role>`, the share of all records that have a value, where these are
    few of many; a value that such a table lacks isn't weighed by its frequency. Where the tables have a column `PAIRED`
    besides, lists of texts, only pairs of records that share one of them are scored.
    """

    def __init__(self, roles: Roles, tables: Sequence[pa.Table], frequencies: Mapping[str, pa.Table] | None = None):
        self._roles, self._tables, self._frequencies = roles, tables, frequencies or {}

    def train(self) -> Model:
        """Learn the weights from these records alone.

        Raises CheckFailed where they have too little in common to learn from.
        """
        linker = self._linker(self._untrained())
        sure, training = sure_rules(self._roles), list(training_rules(self._roles))
        if not sure or not training:
            raise CheckFailed(f"nothing to learn from: {', '.join(sorted(self._roles.given))} say too little")
        linker.training.estimate_probability_two_random_records_match([*sure], recall=_SURE_SHARE)
        linker.training.estimate_u_using_random_sampling(max_pairs=_RANDOM_PAIRS, seed=_SEED)
        for rule in training:
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        return self._with_prior(linker)

    def learn(self, person: str) -> Model:
        """Learn from records of whom something else says whose they are: their column `person`.

        Where names are few, expectation maximisation takes people of one name for one person; here it isn't needed.
        A level that no pair of one person shows is taken to be as rare as one pair would make it, so that what hasn't
        been seen yet is never thought impossible. Raises CheckFailed where no two records are one person's.
        """
        counts = [Counter(table[person].to_pylist()) for table in self._tables]
        if not (pairs := sum(count * counts[-1][key] for key, count in counts[0].items())):
            raise CheckFailed("nothing to learn from: no two of the records are one person's")
        linker = self._linker(self._untrained())
        linker.training.estimate_u_using_random_sampling(max_pairs=_RANDOM_PAIRS, seed=_SEED)
        linker.training.estimate_m_from_label_column(person)
        prior = {"probability_two_random_records_match": pairs / self._pairs}
        return Model(
            self._roles, smoothed(linker.misc.save_model_to_json() | prior, pairs, min(_RANDOM_PAIRS, self._pairs))
        )

    def score(self, model: Model, least: float = _LEAST_PROBABILITY) -> pa.Table:
        """`record_id_l`, `record_id_r`, `match_probability` of the pairs that are at least so probable."""
        linker = self._linker({**model.settings, **self._pairing()})
        scored = linker.inference.predict(threshold_match_probability=least, warning_mode="never").as_pyarrow_table()
        return scored.select([f"{RECORD_ID}_l", f"{RECORD_ID}_r", "match_probability"])

    def _pairing(self) -> dict[str, Any]:
        if not all(PAIRED in table.column_names for table in self._tables):
            return {}
        return {"blocking_rules_to_generate_predictions": [paired_rule().create_blocking_rule_dict("duckdb")]}

    def _with_prior(self, linker: Linker) -> Model:
        """Take for the prior what the scores add up to, until the two agree (one more step of the maximisation)."""
        settings = linker.misc.save_model_to_json()
        for _ in range(_CORRECTIONS):
            model = Model(self._roles, settings)
            scores = self.score(model)
            expected = pc.sum(scores["match_probability"]).as_py() or 0.0
            settings = {**settings, "probability_two_random_records_match": max(expected, 1.0) / self._pairs}
        return Model(self._roles, settings)

    @property
    def _pairs(self) -> int:
        sizes = [int(table.num_rows) for table in self._tables]
        return sizes[0] * (sizes[0] - 1) // 2 if len(sizes) == 1 else sizes[0] * sizes[1]

    def _untrained(self) -> SettingsCreator:
        return SettingsCreator(
            link_type="dedupe_only" if len(self._tables) == 1 else "link_only",
            unique_id_column_name=RECORD_ID,
            comparisons=[*comparisons(self._roles)],
            blocking_rules_to_generate_predictions=[*rules(self._roles)],
        )

    def _linker(self, settings: Any) -> Linker:
        api = DuckDBAPI()
        named = [api.register(t, dataset_display_name=f"records_{n}") for n, t in enumerate(self._tables)]
        linker = Linker(named if len(named) > 1 else named[0], settings, log_level=logging.ERROR)
        for role, table in self._frequencies.items():
            linker.table_management.register_term_frequency_lookup(api.register(table), role)
        return linker

"""The contract: the single description of a stream that everything else is derived from."""

from datacentre.contracts.load import choose, load_contract, load_contracts
from datacentre.contracts.model import Contract, Field, RecordRule

__all__ = ["Contract", "Field", "RecordRule", "choose", "load_contract", "load_contracts"]

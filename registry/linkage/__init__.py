"""Which records are about the same person, where no identifier says so."""

from registry.linkage.linker import Linkage, Model, Thresholds
from registry.linkage.roles import ROLES, Roles

__all__ = ["ROLES", "Linkage", "Model", "Roles", "Thresholds"]

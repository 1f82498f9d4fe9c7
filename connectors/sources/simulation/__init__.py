"""A simulated government: eight streams of seeded, linked, partly broken records."""

from connectors.sources.simulation.defects import INVALID_KINDS, DefectShares
from connectors.sources.simulation.government import STREAM_SHARES, generate
from connectors.sources.simulation.pacing import Sent, simulate
from connectors.sources.simulation.record import OutgoingRecord

__all__ = ["INVALID_KINDS", "STREAM_SHARES", "DefectShares", "OutgoingRecord", "Sent", "generate", "simulate"]

"""What a sink has done so far."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Progress:
    """Rows and bytes written by this process, by stream; commits by the reason for their flush."""

    landed: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    size_bytes: Counter[str] = field(default_factory=Counter)
    flushes: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    fenced: int = 0
    commit_seconds: float = 0.0

    @property
    def records(self) -> int:
        return self.landed.total() + self.quarantined.total()

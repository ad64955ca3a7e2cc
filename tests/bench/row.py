"""One line of the table: a thing measured, and what it is measured against."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds for a thing and for its base; the goal bounds their ratio."""

    what: str
    value: float
    against: str
    base: float
    goal: float

    @property
    def ratio(self) -> float:
        """How many times the base it is."""
        return self.value / self.base

    @property
    def met(self) -> bool:
        """Tell whether the goal is met."""
        return self.ratio <= self.goal

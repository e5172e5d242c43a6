"""`ode_sgd.stop.below(1e-3)`: conditions at which `integrate(..., stop=...)` ends, under public names."""

from ode_sgd.teacher_student.integration.stop import at_rest, below, escape, specialised

__all__ = ["at_rest", "below", "escape", "specialised"]

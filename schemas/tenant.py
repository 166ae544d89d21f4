"""What a tenant asks of every document, whatever a submitter says: a floor below which nothing goes."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.errors import BadInput
from schemas.residency import Regions, narrowed
from schemas.sensitivity import Sensitivity
from schemas.submission import Requirements


@dataclass(frozen=True, slots=True)
class TenantDefaults:
    sensitivity: Sensitivity = Sensitivity.PUBLIC
    """The least class; a submitter may ask for a higher one."""
    residency: Regions = ()
    """Regions outside of which nothing is processed; a submitter may ask for fewer. Empty: no rule."""

    def floor_of(self, asked: Requirements) -> Requirements:
        """What was asked for, raised to the tenant's class and kept in the tenant's regions.

        Raises `BadInput` where not one region is left.
        """
        regions = narrowed(asked.residency, self.residency)
        if regions is None:
            raise BadInput(
                f"Documents here are processed in {_listed(self.residency)} only, and {_listed(asked.residency)} was "
                "asked for: no region is left. Ask for one that lies within.",
                where="residency",
                code="residency",
            )
        raised = asked.sensitivity.at_least(self.sensitivity)
        return asked.model_copy(update={"sensitivity": raised, "residency": regions})


NO_DEFAULTS = TenantDefaults()


def _listed(regions: Regions) -> str:
    return ", ".join(regions)

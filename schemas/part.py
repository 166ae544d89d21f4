"""What every part of a policy is: frozen, closed, and with conditions that compile. Used by the policy's own values."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from schemas.expressions import compiled


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _condition(text: str) -> str:
    compiled(text)
    return text


def _of_jobs(text: str) -> str:
    """A condition that chooses among jobs, and looks at nothing else."""
    others = sorted(name for name in compiled(text).names if not name.startswith("job."))
    if others:
        raise ValueError(f"chosen by the job alone; {others[0]!r} is not of the job")
    return text


def _told(sentence: str) -> str:
    if not sentence.endswith(".") or "\n" in sentence:
        raise ValueError("must be one sentence, on one line, that ends with a full stop")
    return sentence


Condition = Annotated[str, AfterValidator(_condition)]
"""Over `job.*`, `provider.*` and `model.*`."""

JobCondition = Annotated[str, AfterValidator(_of_jobs)]
"""Over `job.*` alone."""

Sentence = Annotated[str, AfterValidator(_told)]

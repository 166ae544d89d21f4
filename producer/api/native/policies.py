"""`/v1/policy`: the policy in force, and what is odd about one that is being written."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from producer.api.advised import Linted, PolicyShown
from producer.api.auth import Caller, Needs
from producer.api.errors import POLICY, ApiError
from producer.api.state import state_of
from runtime.db.stores import views
from schemas.canonical import digest
from schemas.scopes import Scope

MOST_BYTES = 256 * 1024

_AUTHORS = (Scope.POLICY_AUTHOR, Scope.POLICY_APPROVER)

Author = Annotated[Caller, Depends(Needs(*_AUTHORS))]
Knower = Annotated[Caller, Depends(Needs(*_AUTHORS, Scope.SUBMITTER, Scope.OPERATOR, Scope.AUDITOR))]

router = APIRouter(prefix=POLICY, tags=["policy"])


@router.get("", summary="The policy as it is configured, and whether decisions are made by it")
async def shown(request: Request, caller: Knower) -> PolicyShown:
    state = state_of(request)
    policy = await asyncio.to_thread(state.advice.policy)
    async with state.database.transaction() as connection:
        decided_by = await views.in_force(connection, caller.tenant, "policy")
    named = digest(policy)
    return PolicyShown(
        policy=policy.policy,
        version=policy.version,
        digest=named,
        decided_by=decided_by,
        in_force=decided_by in (None, named),
        body=policy.model_dump(mode="json"),
    )


@router.post(
    "/lint",
    summary="What is odd about a policy",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string"}, "example": "policy: default\nversion: 1\n"}
                for kind in ("application/yaml", "text/plain")
            },
        }
    },
)
async def lint(request: Request, caller: Author) -> Linted:
    """The body is a policy's file, YAML or JSON; it is tried on this yard's catalog. Nothing is kept."""
    state, text = state_of(request), await request.body()
    if len(text) > MOST_BYTES:
        raise ApiError(413, f"A policy has at most {MOST_BYTES:,} bytes here.", code="too_large")
    async with state.thinking:
        return await asyncio.to_thread(state.advice.lint, text)

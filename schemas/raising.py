"""What is found in a document, and to which class that raises it. Part of a policy, so that an operator can switch it.

Classes only rise: a rule says from which finding on a document is *at least* of a class, and no rule lowers one. What
a policy leaves out is as here; `null` switches a rule off. Used by the router when it reads a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import Field

from schemas.part import Part
from schemas.sensitivity import Sensitivity


class Marking(StrEnum):
    """What a document says of itself, in a line of its head or foot that says nothing else."""

    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    STRICTLY_CONFIDENTIAL = "strictly_confidential"
    PRIVILEGED = "privileged"
    """Between a lawyer and a client."""
    RESTRICTED = "restricted"
    SECRET = "secret"  # noqa: S105 - the word on a page


class PersonalData(StrEnum):
    """Kinds that are told by their form: by a checksum, or by the words before them."""

    EMAIL = "email"
    PHONE = "phone"
    IP_ADDRESS = "ip_address"
    IBAN = "iban"
    CARD = "card"
    NATIONAL_ID = "national_id"
    """Of a person: for social security, for taxes, of an identity card."""
    PASSPORT = "passport"
    DRIVER_LICENSE = "driver_license"
    DATE_OF_BIRTH = "date_of_birth"


class Raise(Part):
    to: Sensitivity
    at_least: int = Field(default=1, ge=1, le=1_000_000)
    """So many different ones, from which on it holds."""


MARKINGS: Mapping[Marking, Sensitivity] = {
    Marking.INTERNAL: Sensitivity.INTERNAL,
    Marking.CONFIDENTIAL: Sensitivity.CONFIDENTIAL,
    Marking.STRICTLY_CONFIDENTIAL: Sensitivity.CONFIDENTIAL,
    Marking.PRIVILEGED: Sensitivity.CONFIDENTIAL,
    Marking.RESTRICTED: Sensitivity.RESTRICTED,
    Marking.SECRET: Sensitivity.RESTRICTED,
}

_MANY = Raise(to=Sensitivity.CONFIDENTIAL, at_least=50)
"""Contracts name the people to be told of things: of 60 real ones the most had 7 addresses or numbers of a kind."""

_ONE = Raise(to=Sensitivity.CONFIDENTIAL)

PERSONAL_DATA: Mapping[PersonalData, Raise] = {
    PersonalData.EMAIL: _MANY,
    PersonalData.PHONE: _MANY,
    PersonalData.IP_ADDRESS: _MANY,
    PersonalData.IBAN: _ONE,
    PersonalData.CARD: _ONE,
    PersonalData.NATIONAL_ID: _ONE,
    PersonalData.PASSPORT: _ONE,
    PersonalData.DRIVER_LICENSE: _ONE,
    PersonalData.DATE_OF_BIRTH: _ONE,
}


class Raised(Part):
    to: Sensitivity
    by: str
    """What did it, as `marking:confidential`, `personal_data:iban` or `secrets`."""


class Raising(Part):
    markings: dict[Marking, Sensitivity | None] = Field(default={})
    """The class that each marking means, where it is not the usual one; null: the marking raises nothing."""
    filings: bool = False
    """Whether markings raise a document, too, that says of itself that it was filed with a public register: what is
    published there still bears the stamps of its drafts."""
    personal_data: dict[PersonalData, Raise | None] = Field(default={})
    """From how many of a kind on, and to which class, where it is not as usual; null: the kind raises nothing."""
    secrets: Sensitivity | None = Sensitivity.RESTRICTED
    """For a key, a password or a token of any kind; null: they raise nothing."""

    def of_marking(self, marking: Marking) -> Sensitivity | None:
        return self.markings.get(marking, MARKINGS[marking])

    def of_personal_data(self, kind: PersonalData) -> Raise | None:
        return self.personal_data.get(kind, PERSONAL_DATA[kind])

    def raised(
        self,
        *,
        markings: tuple[str, ...] = (),
        is_filing: bool = False,
        personal_data: tuple[tuple[str, int], ...] = (),
        secrets: int = 0,
    ) -> tuple[Raised, ...]:
        """Every rule that applies to what was found; in a fixed order."""
        return (
            *(self._by_markings(markings) if self.filings or not is_filing else ()),
            *self._by_personal_data(personal_data),
            *((Raised(to=self.secrets, by="secrets"),) if secrets and self.secrets else ()),
        )

    def _by_markings(self, found: tuple[str, ...]) -> Iterator[Raised]:
        for marking in found:
            to = self.of_marking(Marking(marking))
            if to is not None:
                yield Raised(to=to, by=f"marking:{marking}")

    def _by_personal_data(self, found: tuple[tuple[str, int], ...]) -> Iterator[Raised]:
        for kind, count in found:
            rule = self.of_personal_data(PersonalData(kind))
            if rule is not None and count >= rule.at_least:
                yield Raised(to=rule.to, by=f"personal_data:{kind}")


USUAL = Raising()

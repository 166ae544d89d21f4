"""The things that a pretend model can find in a document: families of words, and how grave each is.

Data, no behaviour. Keywords are lower case and stand at the beginning of a word: `terminat` finds
"termination". No keyword of one family may begin a keyword of another (a test holds this).
"""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    key: str
    gravity: float
    """0 (worth knowing) to 1 (alarming); scaled onto the severities that the schema allows."""
    keywords: tuple[str, ...]
    """English first, then German and French."""
    concern: str
    """One sentence, used as the explanation."""


def _family(key: str, gravity: float, keywords: str, concern: str) -> Family:
    return Family(key, gravity, tuple(keywords.split("|")), concern)


FAMILIES = (
    _family(
        "governing-law",
        0.1,
        "governing law|governed by the law|construed in accordance with"
        "|anwendbares recht|unterliegt dem recht|droit applicable|régi par le droit",
        "Fixes which law applies.",
    ),
    _family("termination", 0.4, "terminat|kündig|gekündigt|résili", "Says how the agreement can end."),
    _family(
        "liability-cap",
        0.7,
        "aggregate liability|total liability|liability cap|limitation of liability|liability is limited"
        "|haftung|responsabilité",
        "Limits what one party can recover.",
    ),
    _family(
        "indemnity",
        0.7,
        "indemnif|indemnity|indemnities|hold harmless|freistell|indemnis",
        "Shifts third-party losses to one party.",
    ),
    _family(
        "auto-renewal",
        0.5,
        "renews automatically|renew automatically|automatically renew|automatic renewal|auto-renew"
        "|verlängert sich|tacite reconduction|tacitement",
        "Continues unless someone acts in time.",
    ),
    _family("exclusivity", 0.6, "exclusiv|exklusiv", "Restricts dealing with others."),
    _family(
        "assignment",
        0.3,
        "assign this|assign its|assign any|assignment of|not assign|may assign|abtret|céder|cession",
        "Says who may step into the agreement.",
    ),
    _family(
        "audit-rights",
        0.3,
        "audit the|audit rights|right to audit|inspect the books|inspect its books"
        "|prüfungsrecht|droit d'audit",
        "Lets another party inspect records.",
    ),
    _family(
        "confidentiality",
        0.4,
        "confidential|confidentiel|non-disclosure|vertraulich",
        "Restricts what may be disclosed.",
    ),
    _family(
        "personal-data",
        0.5,
        "personal data|personal information|personenbezogen|données personnelles|données à caractère",
        "Concerns information about people.",
    ),
    _family(
        "data-transfer",
        0.8,
        "transferred outside|transfer outside|third countr|international transfer|drittland|drittländer"
        "|pays tiers|hors de l'union",
        "Lets data leave the region.",
    ),
    _family(
        "processor",
        0.5,
        "processor|sub-processor|subprocessor|auftragsverarbeit|sous-traitant",
        "Brings in others who handle data.",
    ),
    _family(
        "breach-notification",
        0.6,
        "breach notification|data breach|security breach|security incident|datenpanne"
        "|datenschutzverletzung|violation de données",
        "Sets how a breach is reported.",
    ),
    _family(
        "retention",
        0.4,
        "retention|retained for|retain |kept for|aufbewahr|conserv",
        "Sets how long records are held.",
    ),
    _family(
        "payment-terms",
        0.2,
        "payment terms|payable within|invoices are due|pay each invoice|zahlbar|rechnung|payable dans"
        "|factures",
        "Sets when money is due.",
    ),
    _family(
        "interest",
        0.3,
        "interest at|interest accrues|bears interest|late payment|verzugszins|zinsen|intérêts",
        "Adds a charge over time.",
    ),
    _family(
        "default",
        0.8,
        "event of default|events of default|cross-default|zahlungsverzug|défaut de paiement",
        "Names what breaks the agreement.",
    ),
    _family("covenant", 0.5, "covenant", "Binds the borrower to a measure."),
    _family(
        "guarantee",
        0.6,
        "guarantee|guarantor|surety|bürgschaft|caution solidaire",
        "Makes a third party answer for the debt.",
    ),
    _family(
        "penalty",
        0.7,
        "penalt|liquidated damages|vertragsstrafe|pénalité",
        "Fixes a sum for a breach.",
    ),
    _family("liquidity", 0.7, "liquidity|cash runway", "Questions whether cash suffices."),
    _family("material-weakness", 0.9, "material weakness", "Reports a failing of internal control."),
    _family("going-concern", 1.0, "going concern|substantial doubt", "Doubts that the company goes on."),
    _family("change-of-control", 0.5, "change of control", "Is triggered by a new owner."),
    _family("non-compete", 0.6, "non-compete|compete with", "Restricts competing business."),
    _family("intellectual-property", 0.4, "intellectual property|patent", "Allots rights in inventions."),
    _family("impairment", 0.6, "impairment", "Writes down what was paid for."),
    _family("litigation", 0.8, "litigation|lawsuit", "Reports a dispute before a court."),
    _family("related-parties", 0.6, "related part", "Deals with insiders of the company."),
    _family("planned-deal", 0.9, "merger|takeover|acquire all", "Reveals a transaction not announced."),
    _family("job-cuts", 0.8, "redundanc|job cuts|layoff", "Reveals cuts that staff do not know of."),
    _family("inside-information", 0.9, "inside information|insider list", "May move a share price."),
    _family("automated-decision", 0.6, "automated decision|profiling", "Lets software decide about people."),
)

BY_KEY = {family.key: family for family in FAMILIES}

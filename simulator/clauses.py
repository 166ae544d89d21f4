"""The sentences that synthetic documents are made of. Data, no behaviour; every company is invented.

A clause is one sentence of its family (see `families`), with blanks: {a} and {b} are companies, {n} is a
number of days, {y} of years, {p} a percentage, {m} an amount, {city} a town. A filler has no known word in
it. Tests hold both.
"""

from __future__ import annotations

from typing import NamedTuple


class Clause(NamedTuple):
    family: str
    text: str


class Kind(NamedTuple):
    """One kind of document in one language."""

    kind: str
    language: str
    sensitivity: str
    """A value of `schemas.sensitivity.Sensitivity`."""
    title: str
    opening: str
    clauses: tuple[Clause, ...]
    fillers: tuple[str, ...]


def _clauses(lines: str) -> tuple[Clause, ...]:
    """One clause a line: the family, a bar, the sentence."""
    pairs = (line.split("|", 1) for line in lines.strip().splitlines())
    return tuple(Clause(family.strip(), text.strip()) for family, text in pairs)


def _fillers(lines: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in lines.strip().splitlines())


COMPANIES = (
    "Brindlewick Looms Ltd",
    "Quillon & Fathom LLP",
    "Harrowmere Optics plc",
    "Osterfenn Maschinen GmbH",
    "Vaucrelle Horlogerie SARL",
    "Tamsin Gray Ferries Inc",
    "Nordvik Kelp AS",
    "Pellworth Cartography Ltd",
    "Lumenhof Glas GmbH",
    "Marquisette Aero SAS",
    "Copperwold Dairy Co-operative",
    "Zephyrine Instruments BV",
)
CITIES = ("Port Ellery", "Alt-Wiesenau", "Saint-Aubrac", "Kestrel Bay", "Nieuwdam", "Low Hathering")

KINDS = (
    Kind(
        "contract",
        "en",
        "internal",
        "Services Agreement",
        "This agreement is made between {a} and {b}, and begins on the day on which both have signed it.",
        _clauses("""
    governing-law|This agreement is governed by the laws in force in {city}, whatever its rules on conflict.
    termination|Either party may terminate this agreement for convenience on {n} days of written notice.
    liability-cap|The aggregate liability of {b} under this agreement shall not pass EUR {m} in any year.
    indemnity|{a} shall indemnify {b} against every claim of a third party.
    auto-renewal|The term renews automatically for {y} years unless a party objects {n} days before its end.
    exclusivity|{a} shall buy all woven goods exclusively from {b} for a period of {y} years.
    assignment|Neither party may assign this agreement without the written consent of the other.
    audit-rights|{a} may audit the records of {b} that bear on the services once in each year.
    confidentiality|Each party shall keep confidential what it learns about the business of the other.
    payment-terms|Every invoice is correct unless disputed, and is payable within {n} days of its receipt.
    penalty|For each day of delay {b} shall pay liquidated damages of {p} per cent of the price.
    change-of-control|A change of control at {b} entitles {a} to end the services at once.
    intellectual-property|All intellectual property in the drawings passes to {a} on payment of the price.
    non-compete|For {y} years {b} shall not compete with {a} in the district of {city}.
        """),
        _fillers("""
    The services are described in the first schedule, which the parties have initialled on each page.
    Notices are sent by post to the address given above, and count as received on the third day.
    The headings in this text are there for ease of reading and change nothing in its meaning.
    {b} names one person who answers questions about the work between nine and five o'clock.
    The parties meet once in each quarter in {city} to look at the work that has been done.
    If a part of this text is void, the rest stands, and the parties replace the void part in good faith.
    Deliveries reach the warehouse of {a} by rail or by cart, as the weather of the season allows.
    No change to this text counts unless it is in writing and signed by both sides.
        """),
    ),
    Kind(
        "contract",
        "de",
        "internal",
        "Dienstleistungsvertrag",
        "Dieser Vertrag gilt zwischen {a} und {b} und beginnt mit der Unterschrift beider Seiten.",
        _clauses("""
    governing-law|Dieser Vertrag unterliegt dem Recht, das am Sitz von {a} in {city} gilt.
    termination|Jede Seite kann den Vertrag mit einer Frist von {n} Tagen schriftlich kündigen.
    liability-cap|Die Haftung von {b} ist je Vertragsjahr auf EUR {m} begrenzt.
    auto-renewal|Der Vertrag verlängert sich um {y} Jahre, wenn keine Seite {n} Tage vorher widerspricht.
    exclusivity|{b} beliefert in {city} exklusiv {a} und sonst niemanden.
    confidentiality|Beide Seiten behandeln alle Unterlagen der anderen Seite vertraulich.
    payment-terms|Jede Lieferung ist zahlbar binnen {n} Tagen nach ihrem Eingang.
    penalty|Für jeden Tag des Verzugs schuldet {b} eine Vertragsstrafe von {p} Prozent des Preises.
        """),
        _fillers("""
    Die Leistungen sind in der ersten Anlage beschrieben, die beide Seiten abgezeichnet haben.
    Mitteilungen gehen per Post an die oben genannte Anschrift und gelten am dritten Tag als zugegangen.
    Die Überschriften dienen der Übersicht und ändern nichts am Inhalt.
    Einmal im Quartal treffen sich die Seiten in {city} und besprechen den Stand der Arbeit.
    Änderungen bedürfen der Schriftform und der Unterschrift beider Seiten.
        """),
    ),
    Kind(
        "contract",
        "fr",
        "internal",
        "Contrat de prestation",
        "Le présent contrat est conclu entre {a} et {b} et prend effet à la date de la dernière signature.",
        _clauses("""
    governing-law|Le présent contrat est régi par le droit en vigueur à {city}.
    termination|Chaque partie peut résilier le contrat par écrit avec un préavis de {n} jours.
    liability-cap|La responsabilité de {b} est limitée à {m} EUR par an.
    auto-renewal|Le contrat se prolonge par tacite reconduction pour {y} ans.
    exclusivity|{b} accorde à {a} une exclusivité de {y} ans dans la ville de {city}.
    payment-terms|Le prix est payable dans un délai de {n} jours après la livraison.
    penalty|Chaque jour de retard donne lieu à une pénalité de {p} pour cent du prix.
        """),
        _fillers("""
    Les prestations sont décrites dans la première annexe, que les parties ont paraphée.
    Les parties se rencontrent une fois par trimestre à {city} pour examiner les travaux.
    Les titres facilitent la lecture et ne changent rien au sens du texte.
    Toute modification se fait par écrit et porte la signature des deux parties.
    Les livraisons arrivent par le train du matin, sauf pendant la saison des neiges.
        """),
    ),
    Kind(
        "privacy-policy",
        "en",
        "public",
        "Privacy Notice",
        "This notice tells visitors of the web pages of {a} what happens with what they enter there.",
        _clauses("""
    personal-data|We collect personal data such as your name, your address and the pages that you read.
    data-transfer|Some of it is transferred outside the region, to our office in {city}.
    processor|Our processor {b} hosts the pages and sees what is stored on them.
    breach-notification|We report a data breach to those concerned within {n} days of learning about it.
    retention|Orders are retained for {y} years after the last delivery.
    automated-decision|We use profiling to decide which visitors are offered credit.
        """),
        _fillers("""
    You can write to us at the counter in {city}, and a person will answer.
    You may ask us at any time what we know about you, and we answer within a month.
    The pages work without a login, and most visitors never make one.
    We change this notice when the pages change, and say so at its top.
    Our newsletter goes out four times a year and can be stopped with one click.
    Children under sixteen are asked to visit the pages together with an adult.
    The small files that your browser stores are listed on a page of their own.
        """),
    ),
    Kind(
        "privacy-policy",
        "de",
        "public",
        "Datenschutzhinweise",
        "Diese Hinweise sagen den Besuchern der Seiten von {a}, was mit ihren Eingaben geschieht.",
        _clauses("""
    personal-data|Wir erheben personenbezogene Daten wie Ihren Namen und Ihre Anschrift.
    data-transfer|Ein Teil davon geht in ein Drittland, nämlich an unser Büro in {city}.
    processor|Unser Auftragsverarbeiter {b} betreibt die Seiten.
    breach-notification|Eine Datenpanne melden wir den Betroffenen binnen {n} Tagen.
    retention|Die Aufbewahrung der Bestellungen endet {y} Jahre nach der letzten Lieferung.
        """),
        _fillers("""
    Sie können uns am Schalter in {city} schreiben, und ein Mensch antwortet Ihnen.
    Sie dürfen jederzeit fragen, was wir über Sie wissen, und wir antworten binnen eines Monats.
    Die Seiten lassen sich ohne Anmeldung lesen, und die meisten Besucher melden sich nie an.
    Unser Rundbrief erscheint viermal im Jahr und lässt sich mit einem Klick abbestellen.
    Wir ändern diese Hinweise, wenn sich die Seiten ändern, und sagen es oben.
        """),
    ),
    Kind(
        "financial-report",
        "en",
        "confidential",
        "Report on the Year",
        "This report of {a} covers the year that ended in March, and was approved by its board in {city}.",
        _clauses("""
    liquidity|Liquidity covers the next {n} days of operations if no customer pays late.
    material-weakness|We found a material weakness in the way in which stock in {city} is counted.
    going-concern|These conditions raise doubt about whether {a} can continue as a going concern.
    impairment|The board recognised an impairment of EUR {m} on the looms bought from {b}.
    litigation|In litigation before the court in {city}, {b} asks {a} for EUR {m}.
    related-parties|Sales to related parties came to EUR {m}, of which {b} took the most.
    covenant|The bank waived a covenant on equity until the end of the coming year.
        """),
        _fillers("""
    Sales rose by {p} per cent, mostly because the mild winter kept the harbour open.
    The number of people employed was the same as in the year before.
    The board thanks the night shift in {city} for its work during the flood.
    Wages were raised in May, as agreed with the council of the staff.
    A new roof was put on the eastern hall and paid for out of the year's earnings.
    The price of wool fell in the summer and rose again in the autumn.
    Figures are given in thousands of euro and rounded to the nearest.
        """),
    ),
    Kind(
        "confidential-memo",
        "en",
        "restricted",
        "Memorandum to the Board",
        "To the members of the board of {a}, for their eyes, on the talks of the past week in {city}.",
        _clauses("""
    planned-deal|We intend to complete a merger with {b} for EUR {m} before the summer.
    job-cuts|The plan foresees {n} redundancies at the works in {city}.
    inside-information|Everyone named below is on the insider list and may not trade in shares of {a}.
    litigation|Counsel expects the lawsuit of {b} to be settled for about EUR {m}.
    confidentiality|This memorandum is strictly confidential and does not leave the room.
    liquidity|Without the deal our cash runway ends in {n} days.
        """),
        _fillers("""
    The talks were friendly, and the next ones take place in {city} in a fortnight.
    The chair asks for answers by telephone, and not in writing.
    The advisers of the other side have asked for one more week.
    A draft of the letter to the staff lies with the secretary of the board.
    Please bring the blue folder to the meeting on Thursday.
    Lunch is served at one o'clock in the small hall on the ground floor.
        """),
    ),
    Kind(
        "loan-agreement",
        "en",
        "confidential",
        "Loan Agreement",
        "{a} lends and {b} borrows the sum of EUR {m}, which is paid out in {city} in one amount.",
        _clauses("""
    interest|The loan bears interest of {p} per cent a year, counted by days.
    default|It is an event of default if {b} does not pay within {n} days of the due day.
    covenant|{b} covenants that its equity never falls below EUR {m}.
    guarantee|The guarantor {a} answers for the debt as if it were its own.
    assignment|The lender may assign its claim to any bank in {city}.
    governing-law|The governing law is the one in force in {city}.
    change-of-control|On a change of control the whole sum falls due.
        """),
        _fillers("""
    The sum is paid back in equal parts on the first of each month.
    The borrower uses the sum to buy two ferries and for nothing else.
    The lender visits the yard in {city} once a year and is given tea.
    Bank charges are borne by the borrower.
    Each side keeps one signed copy of this text.
    A day on which the banks in {city} are closed does not count.
    The borrower sends its yearly accounts to the lender by the end of June.
        """),
    ),
)

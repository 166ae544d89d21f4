"""Personal data by its form: what is found, what is not, and that nothing but kinds and counts comes out."""

from __future__ import annotations

import pytest

from governance.guardrails.pii import personal_data, spans


def found(text: str) -> list[tuple[str, str]]:
    return [(str(one.kind), text[one.start : one.end]) for one in spans(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Write to john.doe+tag@company.co.uk, please.", "email", "john.doe+tag@company.co.uk"),
        ("(billing-team@sub.domain.com), thanks", "email", "billing-team@sub.domain.com"),
        ("Call (555) 123-4567 x89", "phone", "(555) 123-4567"),
        ("London office +44 20 7946 0958", "phone", "+44 20 7946 0958"),
        ("Telefon: 0681 2987063", "phone", "0681 2987063"),
        ("IBAN DE44 5001 0517 5407 3249 31 ist gültig", "iban", "DE44 5001 0517 5407 3249 31"),
        ("GB82 WEST 1234 5698 7654 32 AND MORE 1234", "iban", "GB82 WEST 1234 5698 7654 32"),
        ("Card 4111 1111 1111 1111 approved", "card", "4111 1111 1111 1111"),
        ("Amex 3400-000000-00009.", "card", "3400-000000-00009"),
        ("my credit card 060426070011", "card", "060426070011"),
        ("Employee SSN is 123-45-6789 on file", "national_id", "123-45-6789"),
        ("Backup SSN 987-65-4321 recorded", "national_id", "987-65-4321"),
        ("DNI 12345678Z", "national_id", "12345678Z"),
        ("codice fiscale RSSMRA85T10A562S", "national_id", "RSSMRA85T10A562S"),
        ("AHV 756.9217.0769.85", "national_id", "756.9217.0769.85"),
        ("PESEL 44051401359", "national_id", "44051401359"),
        ("Steuer-ID: 36 574 261 809", "national_id", "36 574 261 809"),
        ("National insurance number AB123456C", "national_id", "AB123456C"),
        ("host 10.1.2.3", "ip_address", "10.1.2.3"),
        ("[203.0.113.9] in logs", "ip_address", "203.0.113.9"),
        ("at 2001:db8::ff00:42:8329", "ip_address", "2001:db8::ff00:42:8329"),
        ("born on 3 March 1980", "date_of_birth", "3 March 1980"),
        ("DOB: 1990-01-01", "date_of_birth", "1990-01-01"),
        ("geboren am 12. März 1980", "date_of_birth", "12. März 1980"),
        ("née le 3 mars 1980", "date_of_birth", "3 mars 1980"),
        ("Passport No. X12345678", "passport", "X12345678"),
        ("my driver's license number is F162823540116", "driver_license", "F162823540116"),
    ],
)
def test_it_is_found_where_it_is(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "This should not match: not-an-email@ nor @alone",
        "Part number: 555-123-4567-A",
        "The book ISBN is 978-3-16-148410-0",
        "Invalid SSN 000-00-0000, 666-12-9999, 123-45-67890",
        "Inventory code 1234567890123456 is no card",
        "Order 060426070011 was sent",
        "Number 411111111111111 is too short, 41111111111111111 too long",
        "Account DE44 5001 0517 5407 3249 32 has a wrong checksum",
        "as Section 10.1.2.3 says, and 10.1.2.4 too",
        "Release v2026.2.9 at 12:30:45 UTC",
        "Trace id 550e8400-e29b-41d4-a716-446655440000",
        "Invalid 256.1.1.1 and 192.168.1",
        "a fee of $1,250,000.00 plus 12.5 % on 2026-03-15 or 03/15/2026",
        "Tool for assembly (AS601206A) of the Cradle",
        "Tax ID#63-0952549",
        "born to be wild in 1968",
        "The parties were born of a merger.",
    ],
)
def test_what_only_looks_like_it_is_not_found(text: str) -> None:
    assert found(text) == []


def test_only_kinds_and_counts_come_out_and_one_on_every_page_counts_once() -> None:
    text = "Mail a@b.org or A@B.ORG or c@d.org. Card 4111111111111111, again 4111-1111-1111-1111."

    assert personal_data(text) == (("card", 1), ("email", 2))
    assert [type(kind) for kind, _ in personal_data(text)] == [str, str]


def test_nothing_is_cut_where_pieces_meet_and_no_word_before_it_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "x" * 40 + " card 4111 1111 1111 1111 and PESEL 44051401359 " + "y" * 200
    for size in range(30, 100):
        monkeypatch.setattr("governance.guardrails.pieces.PIECE", size)
        assert found(text) == [("card", "4111 1111 1111 1111"), ("national_id", "44051401359")]


def test_a_scan_can_be_stopped_between_pieces() -> None:
    class Enough(Exception):
        pass

    def pause() -> None:
        raise Enough

    with pytest.raises(Enough):
        personal_data("a@b.org", pause)


def test_capitals_whose_small_forms_are_longer_move_nothing() -> None:
    assert found("İİİİ date of birth: 12/03/1975") == [("date_of_birth", "12/03/1975")]

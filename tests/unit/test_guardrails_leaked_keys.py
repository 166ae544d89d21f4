"""Keys and passwords in a document: told by their form, or by the word before them and by looking made."""

from __future__ import annotations

from itertools import pairwise

import pytest

from governance.guardrails.leaked_keys import FORMATS, bits, leaked_keys, spans


def made(*parts: str) -> str:
    """Put together here, so that no scanner of this repository takes it for a real one."""
    return "".join(parts)


@pytest.mark.parametrize(
    ("text", "maker"),
    [
        (made("AKIA", "IOSFODNN7EXAMPLE"), "aws"),
        (made("ghp", "_", "a1B2" * 9), "github"),
        (made("glpat", "-", "a1B2c3D4e5F6g7H8i9J0"), "gitlab"),
        (made("xoxb", "-123456789012-", "abcdefABCDEF"), "slack"),
        (made("sk", "_live_", "a1B2c3D4e5F6g7H8"), "stripe"),
        (made("sk-", "proj-", "abcD1234" * 6), "openai"),
        (made("sk-", "ant-api03-", "abcD1234" * 6), "anthropic"),
        (made("AIza", "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H"), "google"),
        (made("hf", "_", "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"), "huggingface"),
        (made("eyJhbGciOiJIUzI1NiJ9", ".", "eyJzdWIiOiIxMjM0In0", ".", "dozjgNryP4J3jVmNHl0w"), "jwt"),
        (made("-----BEGIN RSA ", "PRIVATE KEY-----"), "private_key"),
        (made("postgres://bob:", "s3cr3tpw", "@db.local/x"), "connection"),
        ("password = hunter2!X9", "assigned"),
        ("api_key='a8f3kd93kslq02mz'", "assigned"),
        ("DB_PASSWORD=Zx9!kfLq2", "assigned"),
        ("Das Kennwort: Tr0ub4dor&3", "assigned"),
    ],
)
def test_a_key_is_told_by_its_maker(text: str, maker: str) -> None:
    assert leaked_keys(f"It reads {text} and no more.") == ((maker, 1),)


@pytest.mark.parametrize(
    "text",
    [
        "The token is important, and the secret of success is patience.",
        "Password: ________",
        "password: correct",
        "api_key = ${API_KEY}",
        "secret: xxxxxxxxxxxx1",
        "access token: see Section 12.3(a)",
        "https://user:password@host.example",
        "Each party keeps its passwords secret: they are changed every 90 days.",
        "-----BEGIN CERTIFICATE-----",
        "AKIA is a prefix, and ghp_ too",
        "key: Schedule-4-Deliverables",
    ],
)
def test_prose_and_placeholders_are_no_keys(text: str) -> None:
    assert leaked_keys(text) == ()


def test_a_key_behind_a_word_counts_once_and_by_its_maker() -> None:
    key = made("sk-", "ant-api03-", "abcD1234" * 6)

    assert leaked_keys(f"token = {key}\ntoken = {key}") == (("anthropic", 1),)


def test_places_do_not_overlap_and_are_in_order() -> None:
    text = f"password = {made('AKIA', 'IOSFODNN7ABCDEFG')} then password = hunter2!X9"
    places = [(one.start, one.end) for one in spans(text)]

    assert places == sorted(places)
    assert all(one[1] <= other[0] for one, other in pairwise(places))


def test_every_format_names_a_prefix_that_its_keys_have() -> None:
    assert all(each.prefixes and all(each.prefixes) for each in FORMATS)


def test_entropy_is_in_bits_a_character() -> None:
    assert bits("aaaaaaaa") == 0.0
    assert bits("abcdefgh") == pytest.approx(3.0)
    assert bits("") == 0.0

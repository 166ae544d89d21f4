"""What a pretend model finds, and how it answers in the words of the schema."""

from __future__ import annotations

import itertools
import time
from typing import Any

import jsonschema_rs
import pytest

from schemas.review import output_contract
from simulator.clauses import KINDS
from simulator.families import FAMILIES
from simulator.instances import minimal
from simulator.prompts import between_marks
from simulator.reviews import MAX_QUOTE_CHARACTERS, find, invent_quote, is_review, review

TEXT = (
    "Supply Agreement\n\nThe goods are blue. Either party may terminate this agreement on 30 days of notice. "
    "The seller delivers by rail.\n\nThe aggregate liability of the seller shall not pass EUR 50,000; this holds "
    "for all claims. The Buyer may not assign this agreement."
)


def test_a_finding_is_the_sentence_around_the_known_word() -> None:
    found = {f.family.key: f.quote for f in find(TEXT)}

    assert found == {
        "termination": "Either party may terminate this agreement on 30 days of notice.",
        "liability-cap": "The aggregate liability of the seller shall not pass EUR 50,000;",
        "assignment": "The Buyer may not assign this agreement.",
    }


def test_a_very_long_sentence_is_cut_around_the_known_word() -> None:
    text = "and so on " * 50 + "a covenant holds " + "and so on " * 50

    (found,) = find(text)

    assert "covenant" in found.quote
    assert len(found.quote) <= MAX_QUOTE_CHARACTERS
    assert text[found.start :].startswith(found.quote)


def test_letters_that_grow_in_lower_case_do_not_shift_quotes() -> None:
    text = "İİİİ İstanbul. " + TEXT

    assert [f.quote for f in find(text)] == [f.quote for f in find(TEXT)]


def test_no_keyword_begins_a_keyword_of_another_family() -> None:
    words = [(word, family.key) for family in FAMILIES for word in family.keywords]

    stolen = [
        (a, b)
        for (a, one), (b, other) in itertools.permutations(words, 2)
        if one != other and b.startswith(a)
    ]

    assert stolen == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.kind}-{kind.language}")
def test_a_clause_is_found_as_its_family_and_a_filler_not_at_all(kind: Any) -> None:
    blanks = {"a": "Quillon", "b": "Harrowmere", "city": "Kestrel Bay", "n": 30, "y": 2, "p": 3, "m": "9,000"}

    for clause in kind.clauses:
        sentence = clause.text.format(**blanks)
        assert [(f.family.key, f.quote) for f in find(sentence)] == [(clause.family, sentence)]
    for text in (kind.title, kind.opening, *kind.fillers):
        assert find(text.format(**blanks)) == ()


def test_the_answer_keeps_the_review_contract() -> None:
    schema = output_contract()

    answer = review(TEXT, schema, quality=1, seed="7")

    jsonschema_rs.validate(schema, answer)
    assert len(answer["findings"]) == 3
    assert answer["verdict"] == "needs_attention"


def test_only_ids_that_the_schema_allows_are_used() -> None:
    schema = output_contract(("liability_cap", "unusual_terms"))

    answer = review(TEXT, schema, quality=1, seed="7")

    assert [f["id"] for f in answer["findings"]] == ["liability_cap"]


def test_findings_that_are_not_asked_for_take_no_room() -> None:
    others = "\n\n".join(f"Here is a {f.keywords[0]}." for f in FAMILIES if f.key != "penalty")
    text = f"{others}\n\nThere is a penalty."

    answer = review(text, output_contract(("penalty",)), quality=1, seed="7")

    assert [f["quote"] for f in answer["findings"]] == ["There is a penalty."]


def test_words_of_another_schema_are_used_from_mild_to_grave() -> None:
    schema = output_contract()
    schema["properties"]["verdict"] = {"$ref": "#/$defs/Verdict"}
    schema["$defs"] = {"Verdict": {"enum": ["reject", "approve"]}}
    schema["properties"]["page_count"] = {"type": "integer", "minimum": 1}
    schema["required"].append("page_count")

    grave, mild = (
        review("It is a going concern.", schema, quality=1, seed=""),
        review("", schema, quality=1, seed=""),
    )

    assert (grave["verdict"], mild["verdict"]) == ("reject", "approve")
    assert grave["page_count"] == 1


def test_an_invented_quote_does_not_stand_in_the_document() -> None:
    answer = invent_quote(review(TEXT, output_contract(), quality=1, seed="7"), TEXT)

    jsonschema_rs.validate(output_contract(), answer)
    assert answer["findings"][0]["quote"] not in TEXT
    assert all(finding["quote"] in TEXT for finding in answer["findings"][1:])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 20},
        {"type": "string", "maxLength": 3},
        {"enum": ["a", "b"]},
        {"const": 4},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
        {"type": "integer", "minimum": 3, "multipleOf": 5},
        {"type": "integer", "maximum": -2},
        {"type": ["null", "string"]},
        {"anyOf": [{"type": "integer", "minimum": 9}, {"type": "null"}]},
        {"type": "array", "minItems": 2, "items": {"type": "object", "required": ["x"]}},
        {
            "type": "object",
            "required": ["kind", "parts"],
            "properties": {
                "kind": {"$ref": "#/$defs/K"},
                "parts": {"type": "array", "minItems": 1, "items": {}},
            },
            "$defs": {"K": {"type": "boolean"}},
        },
        {"allOf": [{"required": ["a"], "properties": {"a": {"type": "integer"}}}, {"required": ["b"]}]},
    ],
)
def test_the_smallest_instance_keeps_its_schema(schema: dict[str, Any]) -> None:
    jsonschema_rs.validate(schema, minimal(schema))


def test_a_schema_that_needs_itself_ends() -> None:
    schema = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}}

    assert "next" in minimal(schema)


def test_another_schema_is_not_taken_for_a_review() -> None:
    assert is_review(output_contract())
    assert not is_review({"type": "object", "properties": {"summary": {}}})


def test_the_document_ends_at_the_last_closing_mark() -> None:
    text = "Review this.\n<document>\nOne\n</document>\nTwo\n</document>\nThank you."

    assert between_marks(text) == "One\n</document>\nTwo"
    assert between_marks("<document>\n</document>") == ""
    assert between_marks("a <document> in a line </document>") is None


def test_a_long_document_is_read_quickly() -> None:
    text = ("The services are described in the first schedule, which the parties have signed. " * 700)[
        :52_000
    ]
    find(text)

    started = time.perf_counter()
    for _ in range(10):
        find(text)

    assert (time.perf_counter() - started) / 10 < 0.01  # about 0.3 ms; ten times that on a busy machine

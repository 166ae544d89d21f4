"""Hand-written YAML: what is wrong is said with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from runtime.yaml_files import MAX_BYTES, read_yaml
from schemas.errors import BadConfiguration


class Berth(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    depth: int = Field(ge=1)
    key: str = "none"


class Harbour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    port: str
    berths: tuple[Berth, ...] = ()
    tolls: dict[str, float] = {}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "harbour.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(folder: Path, text: str | bytes) -> str:
    """What is said about the file, without the folder's name."""
    with pytest.raises(BadConfiguration) as caught:
        read_yaml(written(folder, text)).validated(Harbour)
    assert str(caught.value).startswith(caught.value.where)
    return str(caught.value).replace(f"{folder}/", "")


GOOD = """\
# a comment
port: Ellery
berths:
  - {name: "a", depth: 3}
  - name: b
    depth: 12
tolls: {day: 1.5}
"""


def test_a_good_file_becomes_a_value(tmp_path: Path) -> None:
    harbour = read_yaml(written(tmp_path, GOOD)).validated(Harbour)

    assert [berth.depth for berth in harbour.berths] == [3, 12]
    assert harbour.tolls == {"day": 1.5}


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, b"\xef\xbb\xbfport: x")).validated(Harbour).port == "x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port: x\nberths:\n  - name: a\n", "line 3: berths[0].depth: is missing"),
        ("port: x\n\nprot: y\n", "line 3: prot: is not a field here"),
        (
            "port: x\nberths:\n  - name: a\n    depth: 0\n",
            "line 4: berths[0].depth: Input should be greater than or equal to 1, not 0",
        ),
        ("port: no\n", "line 1: port: YAML reads this as False; put it in quotes"),
        ("port: x\nport: y\n", "line 2: port: is given twice"),
        (
            "port: x\nberths:\n  - name: a\n    depth: 1\n    name: b\n",
            "line 5: berths[0].name: is given twice",
        ),
        ("- port\n", "line 1: the file must hold fields, 'name: value'; it holds a list"),
        ("just words\n", "line 1: the file must hold fields, 'name: value'; it holds nothing but a value"),
        ("", "line 1: the file is empty"),
        ("# only a comment\n", "line 1: the file is empty"),
        ("port: x\n---\nport: y\n", "line 2: holds a second document"),
        ("port: x\n1: y\n", "line 2: a field's name must be text; put it in quotes"),
        ("port: x\n? [a]\n: y\n", "line 2: a field's name must be text; put it in quotes"),
        ("tolls: {day: .nan}\nport: x\n", "line 1: '.nan' is not a number to reckon with"),
        ("tolls:\n  day: -.inf\nport: x\n", "line 2: '-.inf' is not a number to reckon with"),
        ("port: 2026-02-31\n", "line 1: '2026-02-31' is no date or number"),
        (
            "a: &a {x: 1}\nport:\n  <<: *a\n",
            "line 3: '<<' is not used here; write the fields out",
        ),
        (
            "port: !!python/name:os.system\n",
            "line 1: the tag 'tag:yaml.org,2002:python/name:os.system' is not plain YAML",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text) == f"harbour.yaml, {said}"


def test_a_file_that_is_not_yaml_says_where_it_breaks(tmp_path: Path) -> None:
    assert complaint(tmp_path, "port: x\nberths: [1, 2\n").startswith("harbour.yaml, line 3: is not YAML: ")
    assert complaint(tmp_path, "port: x\n\tberths: y\n").startswith("harbour.yaml, line 2: is not YAML: ")
    assert complaint(tmp_path, "port: \x07\n").startswith("harbour.yaml: is not YAML: ")


def test_a_file_that_is_not_text_says_where(tmp_path: Path) -> None:
    assert complaint(tmp_path, b"port: x\nberths: \xff\n") == "harbour.yaml, line 2: is not UTF-8 text"


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"gone\.yaml: cannot be read: No such file or directory"):
        read_yaml(tmp_path / "gone.yaml")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    assert "is larger than 1,000,000 bytes" in complaint(tmp_path, "a" * (MAX_BYTES + 1))


def test_deep_nesting_is_refused_before_it_overflows(tmp_path: Path) -> None:
    assert complaint(tmp_path, "port: " + "[" * 20_000) == "harbour.yaml, line 1: is nested too deep"


def test_aliases_may_repeat_a_value_but_not_explode(tmp_path: Path) -> None:
    fine = "port: x\nberths:\n  - &one {name: a, depth: 1}\n  - *one\n"
    assert len(read_yaml(written(tmp_path, fine)).validated(Harbour).berths) == 2

    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    assert "its aliases make it too large" in complaint(tmp_path, bomb)
    assert "its aliases make it too large" in complaint(tmp_path, "port: &p [*p]\n")


def test_several_errors_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = complaint(tmp_path, "extra: 1\nberths:\n  - {name: a, depth: deep}\nport: x\n").splitlines()

    assert [line.partition(": ")[0] for line in said] == ["harbour.yaml, line 1", "harbour.yaml, line 3"]


def test_a_value_that_could_be_a_key_is_never_repeated(tmp_path: Path) -> None:
    said = complaint(tmp_path, "port: x\nberths:\n  - {name: a, depth: 1, key: 123456}\n")

    assert "berths[0].key" in said and "123456" not in said

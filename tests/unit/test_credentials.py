"""From a reference to a key, without ever showing it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from runtime.credentials import Secret, resolve
from schemas.errors import MissingKey

KEY = "sk-test-4711"


def test_none_is_no_key() -> None:
    assert resolve("none", {}, provider="p") is None


def test_a_key_is_found_in_the_environment_that_is_given() -> None:
    found = resolve("env:P_KEY", {"P_KEY": f" {KEY}\n"}, provider="p")

    assert found is not None
    assert found.reveal() == KEY


def test_a_key_is_found_in_a_file_and_stripped(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)

    found = resolve(f"file:{path}", {}, provider="p")

    assert found is not None
    assert (found.reveal(), found.note) == (KEY, "")


def test_a_file_that_others_can_read_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o644)

    found = resolve(f"file:{path}", {}, provider="p")

    assert found is not None
    assert "can be read by others" in found.note
    assert KEY not in found.note


@pytest.mark.parametrize(
    ("reference", "environ"),
    [
        ("env:P_KEY", {}),
        ("env:P_KEY", {"P_KEY": " "}),
        ("env:P_KEY", {"P_KEY": f"{KEY}\r\nx-injected: 1"}),
        ("env:P_KEY", {"P_KEY": f"{KEY} {KEY}"}),
        ("env:P_KEY", {"P_KEY": f"{KEY}é"}),
        ("file:/nowhere/key", {}),
        ("file:/", {}),
        ("file:a\x00b", {}),
    ],
)
def test_a_reference_that_leads_nowhere_names_itself_and_shows_nothing(
    reference: str, environ: dict[str, str]
) -> None:
    with pytest.raises(MissingKey) as caught:
        resolve(reference, environ, provider="acme")

    assert "'acme'" in str(caught.value)
    assert repr(reference) in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_reference_of_an_unknown_form_is_not_repeated() -> None:
    """It may be the key itself, put there by mistake."""
    with pytest.raises(MissingKey) as caught:
        resolve(KEY, {}, provider="acme")

    assert KEY not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(MissingKey):
        resolve(f"file:{path}", {}, provider="acme")


def test_a_secret_hides_itself() -> None:
    secret = Secret(KEY)

    assert KEY not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)

"""The catalog from its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.catalog import load_catalog
from schemas.errors import BadConfiguration

PROVIDER = """\
  - name: {name}
    kind: api
    adapter: openai
    base_url: {url}
    key: {key}
    boundary: internal
    regions: [eu]
    data_terms: {{retention_days: 0, trains_on_data: false, source: a test, checked: 2026-11-23}}
    ceiling: 4
    models:
      - {{name: m, version: v, context_tokens: 1000, max_output_tokens: 100, json_schema: true, quality: 0.5}}
"""


def entry(name: str = "p", url: str = "http://x.test/v1", key: str = "none") -> str:
    return PROVIDER.format(name=name, url=url, key=key)


def catalog_file(folder: Path, name: str, *entries: str) -> Path:
    path = folder / name
    path.write_text("providers:\n" + "".join(entries))
    return path


def complaint(path: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(BadConfiguration) as caught:
        load_catalog([path], environ or {})
    return str(caught.value).replace(f"{path.parent}/", "")


def test_several_files_become_one_catalog(tmp_path: Path) -> None:
    files = [
        catalog_file(tmp_path, "a.yaml", entry("a")),
        catalog_file(tmp_path, "b.yaml", entry("b"), entry("c")),
    ]

    assert [provider.name for provider in load_catalog(files, {}).providers] == ["a", "b", "c"]


def test_a_folder_stands_for_its_yaml_files_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        catalog_file(tmp_path, f"{name}.yaml", entry(name))
    (tmp_path / "notes.txt").write_text("not a catalog")
    (tmp_path / "deeper").mkdir()
    catalog_file(tmp_path / "deeper", "c.yaml", entry("c"))

    assert [provider.name for provider in load_catalog([tmp_path], {}).providers] == ["a", "b"]


def test_without_any_file_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="No catalog file was found"):
        load_catalog([tmp_path], {})


def test_variables_are_filled_in_from_the_environment(tmp_path: Path) -> None:
    path = catalog_file(
        tmp_path,
        "a.yaml",
        entry(url="${CLASSYARD_SIMULATOR_URL}/p/v1", key="file:${CLASSYARD_HOME}/config/model.key"),
    )

    provider = load_catalog(
        [path], {"CLASSYARD_SIMULATOR_URL": "http://127.0.0.1:9", "CLASSYARD_HOME": "/h"}
    ).providers[0]

    assert provider.base_url == "http://127.0.0.1:9/p/v1"
    assert provider.key == "file:/h/config/model.key"


@pytest.mark.parametrize("environ", [{}, {"CLASSYARD_SIMULATOR_URL": ""}])
def test_a_variable_that_is_not_set_is_named_with_its_line(tmp_path: Path, environ: dict[str, str]) -> None:
    path = catalog_file(tmp_path, "a.yaml", entry(url="${CLASSYARD_SIMULATOR_URL}/v1"))

    assert complaint(path, environ) == (
        "a.yaml, line 5: providers[0].base_url: "
        "the variable CLASSYARD_SIMULATOR_URL is not set in the environment"
    )


@pytest.mark.parametrize(
    "url", ["http://${lower}/v1", "http://${}/v1", "http://${OPEN/v1", "http://${A-B}/v1"]
)
def test_what_only_looks_like_a_variable_is_refused(tmp_path: Path, url: str) -> None:
    assert "is not a variable; they look like '${CLASSYARD_HOME}'" in complaint(
        catalog_file(tmp_path, "a.yaml", entry(url=url)), {"lower": "x", "OPEN": "x"}
    )


def test_a_secret_is_not_written_into_the_catalog(tmp_path: Path) -> None:
    path = catalog_file(tmp_path, "a.yaml", entry(url="http://x.test/${OPENAI_API_KEY}"))

    said = complaint(path, {"OPENAI_API_KEY": "sk-very-secret"})

    assert "sounds like a secret; name it as 'key: env:OPENAI_API_KEY' instead" in said
    assert "sk-very-secret" not in said


def test_a_path_to_a_secret_is_not_one(tmp_path: Path) -> None:
    path = catalog_file(tmp_path, "a.yaml", entry(key="file:${MODEL_KEY_FILE}"))

    assert load_catalog([path], {"MODEL_KEY_FILE": "/k"}).providers[0].key == "file:/k"


def test_variables_stand_nowhere_else(tmp_path: Path) -> None:
    assert "line 2: providers[0].name: a variable may stand in base_url, key, query only" in complaint(
        catalog_file(tmp_path, "a.yaml", entry(name="${HOME}")), {"HOME": "h"}
    )


def test_a_provider_in_two_files_is_named_with_both_places(tmp_path: Path) -> None:
    files = [
        catalog_file(tmp_path, "a.yaml", entry("p")),
        catalog_file(tmp_path, "b.yaml", entry("q"), entry("p")),
    ]

    with pytest.raises(BadConfiguration) as caught:
        load_catalog(files, {})

    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "b.yaml, line 13: providers[1].name: 'p' is named in a.yaml, line 2 already"
    )


def test_a_key_that_stands_there_itself_is_not_repeated(tmp_path: Path) -> None:
    said = complaint(catalog_file(tmp_path, "a.yaml", entry(key="sk-very-secret")))

    assert "must be 'env:NAME', 'file:PATH' or 'none', never a key itself" in said
    assert "sk-very-secret" not in said


def test_a_wrong_field_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("providers:\n" + entry().replace("ceiling: 4", "ceiling: 0"))

    assert complaint(path).startswith("a.yaml, line 10: providers[0].ceiling: ")

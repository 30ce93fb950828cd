"""wrong-json-shape as it is written: schemas in the configuration, in files, in what `init` proposes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Database
from tests.proof import config_of, run_script
from trueup.checks.wrong_json_shape import WrongJsonShape
from trueup.cli.init import written
from trueup.config.config import load_config
from trueup.config.json_text import JsonText
from trueup.errors import ConfigError
from trueup.run import propose, scan

pytestmark = pytest.mark.each_engine

HEAD = "environment: test\nstores: {app: sqlite:///none.db}\nchecks:\n  - kind: wrong-json-shape\n    table: d\n"


def read(folder: Path, text: str) -> Any:
    path = folder / "trueup.yaml"
    path.write_text(HEAD + text)
    return load_config(path).checks[0]


def test_a_schema_is_written_as_yaml_or_json(tmp_path: Path) -> None:
    check = read(
        tmp_path,
        """    column: doc
    schema:
      type: [object, null]
      required: [a, "true"]
      properties:
        a: {type: number, minimum: 0.10, enum: [1, 2.50, "3", yes, true, ~, null]}
        b: {"const": "007", "description": "${HOME} is not read here"}
""".replace("${HOME}", "$${HOME}"),
    )
    assert json.loads(check.schema) == {
        "type": ["object", None],
        "required": ["a", "true"],
        "properties": {
            "a": {"type": "number", "minimum": 0.1, "enum": [1, 2.5, "3", "yes", True, None, None]},
            "b": {"const": "007", "description": "${HOME} is not read here"},
        },
    }
    assert '"minimum": 0.10' in check.schema
    assert check.roots[""].types == ("object", "null")


@pytest.mark.parametrize("name", ["user.json", "user.yaml"])
def test_a_schema_may_stand_in_a_file_beside_the_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / name).write_text('{"type": "object", "required": ["a"], "$schema": "draft"}')
    check = read(tmp_path, f"    column: doc\n    by: kind\n    schemas: {{one: schemas/{name}}}\n")
    assert json.loads(check.schemas["one"])["required"] == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema: gone.json", "7: 'schema': 'gone.json' cannot be read: No such file or directory"),
        ("schema: object", "7: 'schema' must be a mapping, or a file .json or .yaml that holds one; it is 'object'"),
        ("schema: [1]", "4: a schema must be a mapping, as in {type: object}"),
        ("by: kind", "4: wrong-json-shape needs 'schema', or 'by' and 'schemas'"),
        ("schema: {type: objekt}", "4: JSON Schema knows no type 'objekt'; did you mean 'object'?"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"    column: doc\n    {text}\n")
    assert str(caught.value) == f"{tmp_path}/trueup.yaml:{message}"


def test_what_init_writes_is_read_back(tmp_path: Path) -> None:
    schema = JsonText.of({"properties": {"é ${A}": {"type": ["string", "null"]}, 'quo"te': {"enum": [1, None, True]}}})
    check = WrongJsonShape(table="d", column="doc", by="kind", schemas={"a b": schema, "null": schema}, store="app")
    path = tmp_path / "trueup.yaml"
    path.write_text(written("sqlite:///none.db", [check]))
    (found,) = load_config(path).checks
    assert isinstance(found, WrongJsonShape)
    assert (found.by, dict(found.schemas)) == ("kind", {"a b": schema, "null": schema})


# -- proposals --------------------------------------------------------------------------------------------------------
def proposed(database: Database, rows: list[tuple[str, Any]]) -> list[WrongJsonShape]:
    values = [f"({n}, '{kind}', '{json.dumps(document)}')" for n, (kind, document) in enumerate(rows)]
    run_script(
        database,
        [
            "CREATE TABLE e (id INTEGER PRIMARY KEY, kind VARCHAR(20), doc {JSON})",
            f"INSERT INTO e VALUES {', '.join(values)}",
        ],
    )
    return [check for check in propose(config_of(database)) if isinstance(check, WrongJsonShape)]


def test_keys_that_nearly_all_documents_have_are_proposed(database: Database) -> None:
    rows: list[tuple[str, Any]] = [
        (f"k{n}", {"id": n, "rate": n / 4, "deep": {"on": n % 2 == 0, "name": None if n % 3 else "x"}})
        for n in range(60)
    ]
    rows[7] = ("k", {"id": "7", "rate": 1, "deep": {"on": True, "name": "x"}, "once": 1})
    rows[8] = ("k", {"rate": 1, "deep": {"on": True, "name": "x"}})
    (check,) = proposed(database, rows)
    deep = {"required": ["name", "on"], "properties": {"on": {"type": "boolean"}, "name": {"type": ["string", "null"]}}}
    assert json.loads(check.schema) == {
        "required": ["deep", "id", "rate"],
        "properties": {"id": {"type": "integer"}, "rate": {"type": "number"}, "deep": {"type": "object", **deep}},
    }
    (result,) = scan(config_of(database, check)).results
    assert [finding.message for finding in result.samples] == [
        "e.doc.id is a string, must be an integer",
        "e.doc.id is missing",
    ]


def test_a_column_that_explains_the_keys_says_which_schema_is_meant(database: Database) -> None:
    rows: list[tuple[str, Any]] = [("seen", {"page": "/"}) for _ in range(30)]
    rows += [("started", {"quiz": n}) for n in range(30)]
    rows += [("other", {"free": n}) for n in range(3)]
    (check,) = proposed(database, rows)
    assert check.by == "kind"
    assert {name: json.loads(schema) for name, schema in check.schemas.items()} == {
        "seen": {"required": ["page"], "properties": {"page": {"type": "string"}}},
        "started": {"required": ["quiz"], "properties": {"quiz": {"type": "integer"}}},
    }
    (result,) = scan(config_of(database, check)).results
    assert (result.status, result.skipped) == ("clean", 3)


@pytest.mark.parametrize(
    "documents",
    [
        [{f"user-{n}": n} for n in range(60)],
        [{"a": n} if n % 2 else {"b": n} for n in range(60)],
        [{"a": n} for n in range(10)],
        [[n] for n in range(60)],
        [{} for _ in range(60)],
    ],
    ids=["keys that are data", "keys that come and go", "few", "arrays", "empty"],
)
def test_what_has_no_shape_is_not_proposed(database: Database, documents: list[Any]) -> None:
    assert proposed(database, [("k", document) for document in documents]) == []


def test_a_mixture_of_types_is_not_told(database: Database) -> None:
    (check,) = proposed(database, [("k", {"a": n if n % 2 else str(n)}) for n in range(60)])
    assert json.loads(check.schema) == {"required": ["a"]}

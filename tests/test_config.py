"""The configuration: every message is read whole, because at night it is all there is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.config import Config, build_check, check_options, load_config
from trueup.config.yaml import LARGEST, read_yaml
from trueup.errors import ConfigError, UsageError

Write = Callable[[str | bytes], str]

HEAD = "stores:\n  app: sqlite:///shop.db\nchecks:\n"
CHECK = "  - kind: wrong-json-type\n    table: events\n    column: metadata\n    expected: object\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes) -> str:
        data = text if isinstance(text, bytes) else text.encode()
        Path("trueup.yaml").write_bytes(data)
        return "trueup.yaml"

    return write


def complaint(write: Write, text: str | bytes, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write(text), environ or {})
    return str(caught.value)


def test_a_whole_configuration_is_read(write: Write) -> None:
    config = load_config(
        write(
            """
            environment: staging
            stores:
              app: ${DATABASE_URL}
            checks:
              - kind: wrong-json-type
                name: metadata-holds-an-object
                table: analytics_activityevent
                column: metadata
                expected: object
                null: false
                group_by: event_type
                critical: {high: [quiz_answer_submitted, quiz_completed], low: [content_viewed]}
                context: [timestamp, user_id]
                repair: [decode, nullify]
            strategy: {C: 20}
            """
        ),
        {"DATABASE_URL": "postgresql://me:secret@db/app"},
    )
    assert config.stores == {"app": "postgresql://me:secret@db/app"}
    assert config.strategy == {"B": 1, "C": 20, "D": 501}
    assert config.checks == (
        WrongJsonType(
            table="analytics_activityevent",
            name="metadata-holds-an-object",
            store="app",
            column="metadata",
            expected=("object",),
            null=False,
            group_by="event_type",
            critical={"high": ("quiz_answer_submitted", "quiz_completed"), "low": ("content_viewed",)},
            context=("timestamp", "user_id"),
            repair=("decode", "nullify"),
        ),
    )
    assert "secret" not in f"{config} {config!r}"


def test_an_environment_that_is_not_named_is_taken_for_the_one_that_asks_for_most(write: Write) -> None:
    assert load_config(write(HEAD + CHECK), {}).environment == "production"


def test_null_in_a_list_is_the_word(write: Write) -> None:
    (check,) = load_config(write(HEAD + CHECK.replace("object", "[object, null]")), {}).checks
    assert isinstance(check, WrongJsonType)
    assert check.expected == ("object", "null")


def test_numbers_of_text_options_stay_as_they_are_written(write: Write) -> None:
    (check,) = load_config(write(HEAD + CHECK + "    group_by: 010\n    name: 1e400\n"), {}).checks
    assert (check.group_by, check.name) == ("010", "1e400")


def test_a_value_of_the_environment_cannot_become_yaml_nor_be_expanded_again(write: Write) -> None:
    environ = {"NAME": "a: [${OTHER}]\n- b"}
    (check,) = load_config(write(HEAD + CHECK + "    name: x ${NAME} $${NAME} $5\n"), environ).checks
    assert check.name == "x a: [${OTHER}]\n- b ${NAME} $5"


MESSAGES: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "trueup.yaml: the file is empty"),
    "a list": ("- a", "trueup.yaml:1: the configuration must be a mapping (name: value), it is a list"),
    "an unknown top option": (
        "store:\n  app: x\n",
        "trueup.yaml:1: unknown option 'store'; did you mean 'stores'?",
    ),
    "no stores": (
        "checks: []",
        "trueup.yaml:1: no 'stores'; say where the data is, as in `stores: {app: ${DATABASE_URL}}`",
    ),
    "no checks": ("stores: {app: 'sqlite://'}", "trueup.yaml:1: no 'checks'; 'trueup init URL' proposes some"),
    "empty stores": (
        "stores: {}\nchecks: []",
        "trueup.yaml:1: 'stores' is empty; say where the data is, as in `app: ${DATABASE_URL}`",
    ),
    "no URL": (
        "stores:\n  app: secret word\nchecks: []",
        (
            "trueup.yaml:2: store 'app': that is no URL of a database; it reads like postgresql://user@host/name or "
            "sqlite:///file.db"
        ),
    ),
    "another word for production, which asks for less": (
        "environment: Prod\n" + HEAD,
        (
            "trueup.yaml:1: 'environment' 'Prod' would let changes through with --yes alone; "
            "write production, where each asks for a typed confirmation"
        ),
    ),
    "an environment of two words": (
        "environment: the live one\n" + HEAD,
        "trueup.yaml:1: 'environment' must be one word of letters, digits, '.', '_' and '-'; it is 'the live one'",
    ),
    "thresholds that shrink": (
        HEAD + "  []\nstrategy: {C: 900}\n",
        "trueup.yaml:5: the thresholds of 'strategy' must grow from 1: B < C < D; they are B: 1, C: 900, D: 501",
    ),
    "a letter that is none": (
        HEAD + "  []\nstrategy:\n  E: 9\n",
        "trueup.yaml:6: unknown letter of strategy 'E'; there is B, C, D",
    ),
    "a threshold in hexadecimal": (
        HEAD + "  []\nstrategy: {C: 0x20}\n",
        "trueup.yaml:5: 'C' must be a whole number, it is '0x20'",
    ),
    "checks that are no list": (
        HEAD + "  a: 1\n",
        "trueup.yaml:4: 'checks' must be a list (- kind: ...), it is a mapping",
    ),
    "a check that is a word": (
        HEAD + "  - orphan\n",
        "trueup.yaml:4: a check must be a mapping (name: value), it is 'orphan'",
    ),
    "an unknown kind": (
        HEAD + "  - table: x\n    kind: orphans\n",
        "trueup.yaml:5: there is no kind of check 'orphans'; did you mean 'orphan'?",
    ),
    "an unknown option": (
        HEAD + CHECK + "    crtical: {}\n",
        "trueup.yaml:8: unknown option of wrong-json-type 'crtical'; did you mean 'critical'?",
    ),
    "options left out": (
        HEAD + "  - kind: wrong-json-type\n    table: x\n",
        "trueup.yaml:4: wrong-json-type needs 'column' and 'expected'",
    ),
    "a list where text belongs": (
        HEAD + CHECK.replace("metadata", "[a, b]"),
        "trueup.yaml:6: 'column' must be text, it is a list",
    ),
    "nothing where text belongs": (HEAD + CHECK + "    name:\n", "trueup.yaml:8: 'name' must be text, it is empty"),
    "text where a truth belongs": (
        HEAD + CHECK + "    null: 'false'\n",
        "trueup.yaml:8: 'null' must be true or false, it is 'false'",
    ),
    "a choice that is none": (
        HEAD + CHECK + "    severity: severe\n",
        "trueup.yaml:8: 'severity' must be one of high, medium, low; it is 'severe'",
    ),
    "a severity that is none": (
        HEAD + CHECK + "    critical:\n      hihg: [a]\n",
        "trueup.yaml:9: unknown severity 'hihg'; did you mean 'high'?",
    ),
    "a repair that is none": (
        HEAD + CHECK + "    repair: [decode,\n      fix]\n",
        "trueup.yaml:8: wrong-json-type-events-metadata has no repair 'fix'; it offers decode, wrap, nullify",
    ),
    "a repair named twice": (
        HEAD + CHECK + "    repair: [decode, decode]\n",
        "trueup.yaml:8: wrong-json-type-events-metadata has the repair 'decode' twice",
    ),
    "an option the kind refuses": (
        HEAD + CHECK.replace("object", "objekt"),
        "trueup.yaml:4: wrong-json-type knows no JSON type 'objekt'; did you mean 'object'?",
    ),
    "a store that is none": (
        HEAD + CHECK + "    store: ap\n",
        "trueup.yaml:8: there is no store 'ap'; did you mean 'app'?",
    ),
    "two checks of one name": (
        HEAD + CHECK + CHECK,
        (
            "trueup.yaml:8: a second check named 'wrong-json-type-events-metadata'; line 4 has the first; "
            "'name' tells them apart"
        ),
    ),
    "an unset variable": (
        "stores:\n  app: ${DATABASE_URL}\nchecks: []",
        "trueup.yaml:2: the environment variable DATABASE_URL is not set",
    ),
    "a variable never closed": (
        "stores:\n  app: ${DATABASE_URL\nchecks: []",
        "trueup.yaml:2: a '${' that begins no ${NAME} of an environment variable; for the text write $${",
    ),
    "a key twice": (
        "stores: {}\nchecks: []\nstores: {}",
        "trueup.yaml:3: 'stores' is said twice; line 1 has it already",
    ),
    "an anchor": (
        "stores: &a {x: y}\n",
        "trueup.yaml:1: an anchor (&name) is not read; write the value out where it is used",
    ),
    "an alias": (
        "stores: *a\n",
        "trueup.yaml:1: an alias (*name) is not read; write the value out, or put text in quotes",
    ),
    "a tag": (
        "stores: !!python/name:os.system x\n",
        "trueup.yaml:1: a tag (!name) is not read; write the value without it, or put text in quotes",
    ),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        "trueup.yaml:2: not readable as YAML: a second document begins here; only one is read",
    ),
    "a tab": ("stores:\n\t- b\n", "trueup.yaml:2: not readable as YAML: a tab where YAML wants spaces"),
    "a bracket left open": (
        "stores: [1,\n  2\n",
        "trueup.yaml:3: not readable as YAML: a bracket that is never closed",
    ),
    "a quotation mark left open": (
        "stores: 'x\n",
        "trueup.yaml:2: not readable as YAML: a quotation mark that is never closed",
    ),
    "a colon too many": (
        "a: b: c\n",
        "trueup.yaml:1: not readable as YAML: a ':' that cannot stand here; mind the indentation, quote text with ': '",
    ),
    "a key that is a list": ("? [a]\n: b\n", "trueup.yaml:1: a key must be text"),
    "bytes": (b"a: 1\nb: \xff\xfe", "trueup.yaml:2: a character that YAML forbids; write the file as UTF-8 text"),
    "a hole without end": ("[" * 30, "trueup.yaml:1: nested deeper than 20 levels"),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_what_is_wrong_is_said_in_one_line_with_its_place(write: Write, case: str) -> None:
    text, expected = MESSAGES[case]
    assert complaint(write, text) == expected


def test_a_file_without_end_is_not_read(write: Write) -> None:
    text = "#" * (LARGEST + 1)
    assert complaint(write, text) == "trueup.yaml: the file has 1,000,001 bytes; at most 1,000,000 are read"


def test_several_stores_must_be_named(write: Write) -> None:
    text = (HEAD + CHECK).replace("checks:", "  log: sqlite:///log.db\nchecks:")
    assert complaint(write, text) == "trueup.yaml:5: wrong-json-type-events-metadata needs 'store': one of app, log"


def test_a_file_that_is_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config("nowhere.yaml")
    assert str(caught.value) == "nowhere.yaml: cannot be read: No such file or directory"


def test_a_message_never_repeats_what_came_from_the_environment(write: Write) -> None:
    text = HEAD + CHECK + "    severity: ${SECRET}\n"
    told = complaint(write, text, {"SECRET": "hunter2"})
    assert told == "trueup.yaml:8: 'severity' must be one of high, medium, low; it is '${SECRET}'"
    told = complaint(write, "stores:\n  app: ${SECRET}\nchecks: []", {"SECRET": "hunter2"})
    assert "hunter2" not in told


def test_a_file_given_as_a_url_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.db").touch()
    with pytest.raises(UsageError) as caught:
        Config.from_url("shop.db")
    assert str(caught.value) == "'shop.db' is a file, not a URL; for a SQLite database write sqlite:///shop.db"


def test_one_store_of_several_takes_its_checks_along(write: Write) -> None:
    text = (HEAD + CHECK + "    store: app\n").replace("checks:", "  log: sqlite:///log.db\nchecks:")
    config = load_config(write(text), {})
    assert config.only_store("log").checks == ()
    assert config.only_store("app").checks == config.checks
    with pytest.raises(UsageError) as caught:
        config.only_store("lag")
    assert str(caught.value) == "there is no store 'lag'; did you mean 'log'?"


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(table=texts, name=st.text(), column=texts, group=texts, null=st.booleans(), context=st.lists(st.text()))
def test_a_check_comes_back_from_its_options(
    table: str, name: str, column: str, group: str, null: bool, context: list[str]
) -> None:
    check = WrongJsonType(
        table=table, name=name, column=column, expected=("object", "null"), null=null, group_by=group,
        critical={"high": (group,)}, context=tuple(context), repair=("nullify",),
    )  # fmt: skip
    options = check_options(check)
    assert build_check(check.kind, options) == check
    assert build_check(check.kind, {"kind": check.kind, **options}) == check


def test_options_edited_in_a_plan_are_refused() -> None:
    options = check_options(WrongJsonType(table="t", column="c", expected=("object",)))
    for wrong in ({"null": "yes"}, {"sql": "DROP"}, {"expected": {"a": 1}}, {"null": 0.5}):
        with pytest.raises(UsageError):
            build_check("wrong-json-type", options | wrong)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused_in_one_line(data: bytes) -> None:
    told = "trueup.yaml"
    try:
        read_yaml(data, "trueup.yaml", {})
    except ConfigError as error:
        told = str(error)
    assert told.startswith("trueup.yaml")
    assert "\n" not in told

"""No password in any output: however its URL is spelled, whoever words the error, wherever the URL stands."""

import json
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Told, Trueup
from trueup.cli import run
from trueup.config.config import Config, load_config, url_problem
from trueup.errors import StoreError, TrueupError, UsageError
from trueup.redaction import forget, learn, redacted
from trueup.sql.refusals import why
from trueup.stores.sql import SqlStore

SECRET = "S3CRETPW"
#: Nothing listens on port 1, and `.invalid` is no name of any host.
URLS = [
    "postgresql://u:{0}@127.0.0.1:1/db", "postgresql://u@127.0.0.1:1/db?password={0}", "postgresql://u:12/{0}@127.0.0.1:1/db",
    "postgresql://u:S3#{0}@127.0.0.1:1/db", "postgresql://u:x@127.0.0.1:1/db?sslpassword={0}",
    "postgresql://u:p@{0}@127.0.0.1:1/db", "postgresql://u:p@ss/{0}@127.0.0.1:1/db", "postgresql://u:p@{0}/w@127.0.0.1:1/db",
    "postgresql://u:p@ss?{0}@127.0.0.1:1/db", "postgresql://u:p@ss:12/{0}@127.0.0.1:1/db", "postgresql://u/{0}:p@127.0.0.1:1/db",
    "postgresql://u@/db?host=127.0.0.1&port=1&passfile=/x&options=-c%20a%3D{0}", "postgresql://{0}@127.0.0.1:1/db",
    "postgresql://{0}:@127.0.0.1:1/db", "postgresql://u@127.0.0.1:1/db?service={0}", "postgresql://u@127.0.0.1:1/db?{0}=x",
    "postgresql://u@127.0.0.1:1/db?sslmode={0}", "postgresql://u@127.0.0.1:1/db?connect_timeout={0}",
    "postgresql://u@127.0.0.1/db?port={0}", "postgresql://u:{0}:x@127.0.0.1:x/db", "postgresqlx://u:{0}@127.0.0.1/db",
    "postgresql+bad://u:{0}@h/db", "postgresql://u:ab%20{0}@127.0.0.1:1/db", "postgresql://u:{0}%00x@127.0.0.1:1/db",
    "postgresql:/u:{0}@127.0.0.1:1/db", "postgres:u:{0}@127.0.0.1", "u:{0}@127.0.0.1/db", "{0}@127.0.0.1",
    "mysql://u:{0}@127.0.0.1:1/db", "mysql://u@127.0.0.1:1/db?passwd={0}", "mysql://u:1/{0}@127.0.0.1:1/db",
    "mysql://u:p@{0}@127.0.0.1:1/db", "mysql://u@127.0.0.1:1/db?password={0}", "mysql://u@127.0.0.1:1/db?{0}=1",
    "mysql://u@127.0.0.1:1/db?ssl_ca={0}", "mysql://u@127.0.0.1:1/db?charset={0}",
    "mysql://u:{0}@a..b:1/db", "mariadb://u:5432/{0}@h.invalid/db", "mariadb://u:p@{0}.invalid@127.0.0.1:1/db",
    "sqlite:///x.db?password={0}", "sqlite://u:{0}@h/x.db", "oracle://u:{0}@h/db",
    "host=127.0.0.1 port=1 user=u password={0} dbname=d", "host=127.0.0.1 user=u password='a {0}' dbname=d",
    "postgresql://u:it is {0}@127.0.0.1:1/db",
]  # fmt: skip
COMMANDS = [
    ["scan"], ["plan", "-o", "p.jsonl"], ["runs"], ["status", "last"], ["recover"], ["verify", "last"], ["backup"],
    ["sql"],
    ["undo", "last"], ["explain", "c"], ["guard", "c"], ["advise"],
]  # fmt: skip


def config(url: str) -> str:
    return f"stores:\n  app: {json.dumps(url)}\nchecks:\n  - {{kind: missing, name: c, table: t, column: c}}\n"


def hides(told: Told, secret: str = SECRET) -> bool:
    return secret not in told.out + told.err and told.code in (2, 3) and "this is a bug" not in told.err


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "command", ["scan URL", "scan URL --json -", "init URL -o y.yaml", "runs URL", "URL", "apply URL"]
)
def test_a_url_on_the_command_line_is_not_repeated(trueup: Trueup, command: str, url: str) -> None:
    if "@" in url and ":" not in url and command == "apply URL":
        return  # that may as well be the name of a file
    told = trueup(*(url.format(SECRET) if word == "URL" else word for word in command.split()))
    assert hides(told), told
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("url", URLS)
def test_a_url_in_the_configuration_is_not_repeated_by_any_command(trueup: Trueup, url: str) -> None:
    Path("trueup.yaml").write_text(config(url.format(SECRET)))
    for command in COMMANDS if url in URLS[:6] else COMMANDS[:2]:
        told = trueup(*command)
        assert hides(told), (command, told)


@pytest.mark.parametrize("url", URLS)
def test_a_url_from_the_environment_is_not_repeated(trueup: Trueup, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url.format(SECRET).replace("%00", "%01"))
    Path("trueup.yaml").write_text(config("${DATABASE_URL}"))
    told = trueup("scan")
    assert hides(told), told


@pytest.mark.parametrize(
    "text",
    [
        "stores: {url}\nchecks: []\n", "stores: [{url}]\nchecks: []\n", "{url}\n", "{url}: x\nstores: {{app: x}}\n",
        "stores:\n  app:{url}\nchecks: []\n", "stores:\n  app: {url}: x\nchecks: []\n",
        "environment: '{url}'\nstores: {{a: b}}\n",
        "stores:\n  app: *S3CRETPW\nchecks: []\n", "stores:\n  app: &S3CRETPW x\nchecks: []\n",
        "stores:\n  app: !S3CRETPW x\nchecks: []\n", "stores:\n  app: !S3CRETPW!x y\nchecks: []\n",
        "stores:\n  app: pa${{S3CRETPW@h\nchecks: []\n", "stores:\n  app: %S3CRETPW\nchecks: []\n",
        "stores:\n  app: '{url}\nchecks: []\n", "stores:\n  app: \"\\S3CRETPW\"\nchecks: []\n",
        "stores:\n  app: @S3CRETPW\n",
        "stores:\n  app: `S3CRETPW\n", "stores:\n  app: |S3CRETPW\n", "stores:\n  app: >S3CRETPW\n",
        "stores: {{app: {url}\n",
        "stores:\n  app: '{url}'\nchecks: '{url}'\n", "stores:\n  app: sqlite:///a.db\nstrategy: '{url}'\nchecks: []\n",
        "stores:\n  app: sqlite:///a.db\n'{url}': 1\n",
        "stores:\n  app: sqlite:///a.db\nbackup_hours: '{url}'\nchecks: []\n",
        "stores:\n  app: sqlite:///a.db\nchecks:\n  - kind: '{url}'\n",
        "stores:\n  app: sqlite:///a.db\nchecks:\n  - {{kind: missing, '{url}': 1}}\n",
        "stores:\n  '{url}': sqlite:///a.db\n  b: sqlite:///b.db\nchecks:\n  - {{kind: missing}}\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "url", ["postgresql://u:p@S3CRETPW@h/db", "host=h password=S3CRETPW", "postgresql://u:S3CRETPW@h/db"]
)
def test_a_configuration_that_is_wrong_is_not_repeated(trueup: Trueup, text: str, url: str) -> None:
    Path("trueup.yaml").write_text(text.format(url=url))
    told = trueup("scan")
    assert hides(told), told
    with pytest.raises(TrueupError) as raised:
        load_config("trueup.yaml")
    assert SECRET not in str(raised.value)


def test_a_traceback_that_was_asked_for_holds_no_password(trueup: Trueup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_TRACEBACK", "1")
    told = trueup("scan", f"postgresql://u:{SECRET}@127.0.0.1:1/db")
    assert "Traceback" in told.err
    assert SECRET not in told.err

    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"could not translate host name '{SECRET}'")

    monkeypatch.setattr("trueup.verbs.scan.scan", fail)
    told = trueup("scan", f"postgresql://u:{SECRET}@127.0.0.1:1/db")
    assert "Traceback" in told.err
    assert SECRET not in told.err


@pytest.mark.parametrize("url", URLS)
def test_the_api_tells_no_password_either(url: str) -> None:
    url = url.format(SECRET)
    with pytest.raises(TrueupError) as raised:
        SqlStore("app", url).open()
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert SECRET not in url_problem(url)


def test_an_error_of_a_store_is_masked_whoever_words_it() -> None:
    Config.from_url(f"postgresql://me:{SECRET}@db/app")
    assert str(StoreError(f"could not translate host name '{SECRET}'")) == "could not translate host name '***'"
    assert redacted("me and postgresql at db") == "me and postgresql at db"


def test_the_place_is_told_without_user_and_options() -> None:
    told = {
        "postgresql://me:pw@db.example.com:5433/shop?sslmode=require": "postgresql://db.example.com:5433/shop",
        "postgresql://[::1]/shop": "postgresql://[::1]/shop",
        "postgresql:///shop?host=/var/run/postgresql": "postgresql:///var/run/postgresql/shop",
        "mysql://me@localhost/my%40shop": "mysql://localhost/",
        "sqlite:///a@b.db": "sqlite:///a@b.db",
    }
    assert {url: str(SqlStore("a", url)) for url in told} == {
        url: f"store 'a' ({place})" for url, place in told.items()
    }


def test_a_password_among_the_options_is_the_password() -> None:
    for word in ("password", "passwd"):
        url = SqlStore("app", f"mysql://u@h/shop?{word}=a%40b&charset=utf8mb4").url
        assert (url.password, dict(url.query)) == ("a@b", {"charset": "utf8mb4"})


def test_an_at_is_written_escaped() -> None:
    assert SqlStore("app", "mysql://u:a%40b@h/my%40shop").url.password == "a@b"
    with pytest.raises(UsageError) as raised:
        SqlStore("app", "mysql://u:a@b@h/shop")
    assert str(raised.value) == (
        "store 'app': the URL holds more than one '@'; write %40 for each within the user, the password or the "
        "database's name"
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'connection failed: FATAL:  password authentication failed for user "x"',
            "access denied: wrong user or password",
        ),
        ("failed to resolve host 'x': [Errno -2] Name or service not known", "the host's name is unknown"),
        ('could not translate host name "x" to address: Name or service not known', "the host's name is unknown"),
        (
            'connection to server at "x", port 1 failed: Connection refused\n\tIs the server running',
            "no server listens there: is it running, and on that port?",
        ),
        ('FATAL:  database "x" does not exist', "there is no such database"),
        ('FATAL:  role "x" does not exist', "there is no such user"),
        ("connection timeout expired", "no answer in time"),
        ('invalid connection option "x"', "an option of the URL is not understood"),
        ("connect() got an unexpected keyword argument 'x'", "an option of the URL is not understood"),
        ("what nobody has ever seen x", "ValueError"),
    ],
)
def test_what_drivers_say_is_told_in_own_words(said: str, told: str) -> None:
    assert why(ValueError(said)) == told


# -- any password, anywhere -----------------------------------------------------------------------------------------
SPECIAL = "@:/?#[]!$&'()*+,;=%\"<>\\^`{|}~ -_.é\t\n"
PASSWORDS = st.builds(
    lambda before, between, after: f"{before}x7Qz{between}K9wV{after}",
    st.text(SPECIAL + "ab1", max_size=4), st.text(SPECIAL + "ab1", max_size=3), st.text(SPECIAL + "ab1", max_size=4),
)  # fmt: skip
ENGINES = st.sampled_from(
    ["postgresql", "postgresql+psycopg", "postgres", "mysql", "mysql+pymysql", "mariadb", "sqlite", "x"]
)
PLACES = st.sampled_from(
    [
        "{engine}://u:{0}@127.0.0.1:1/db", "{engine}://u@127.0.0.1:1/db?password={0}", "{engine}://{0}@127.0.0.1:1/db",
        "{engine}://u:pw@127.0.0.1:1/db?sslpassword={0}", "{engine}://u@127.0.0.1:1/db?options=-c%20a%3D{0}",
        "{engine}://{0}:@127.0.0.1:1/db", "{engine}://u:pw@127.0.0.1:1/{0}@db", "{engine}://u:p@{0}@127.0.0.1:1/db",
        "{engine}:u:{0}@127.0.0.1", "host=127.0.0.1 port=1 password={0}", "{engine}://u@127.0.0.1:1/db?user=a@b&passwd={0}",
    ]
)  # fmt: skip
ESCAPES = st.sampled_from(
    [str, quote, quote_plus, lambda text: quote(text, safe=""), lambda text: text.replace("@", "%40")]
)
#: The two runs of letters and digits that every password here holds: either alone would give it away.
TELLING = re.compile(r"x7Qz|K9wV")


@pytest.fixture
def telling(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    yield capsys
    forget()


@pytest.mark.slow
@given(password=PASSWORDS, engine=ENGINES, place=PLACES, escape=ESCAPES, configured=st.booleans())
@example("@x7Qz@K9wV", "postgresql", "{engine}://u:{0}@127.0.0.1:1/db", str, False)
@example("x7Qz/K9wV@a", "mysql", "{engine}://u:{0}@127.0.0.1:1/db", str, True)
@settings(max_examples=150)
def test_no_password_is_ever_told(
    telling: pytest.CaptureFixture[str], password: str, engine: str, place: str, escape: object, configured: bool
) -> None:
    assert callable(escape)
    url = place.format(escape(password), engine=engine)
    for words in (["scan"], ["runs"]) if configured else (["scan", url], ["init", url, "-o", "made.yaml"]):
        if configured:
            Path("trueup.yaml").write_text(config(url))
        telling.readouterr()
        code = run(list(words))
        told = "".join(telling.readouterr())
        assert not TELLING.search(told), (url, told)
        assert "this is a bug" not in told, (url, told)
        assert code in (2, 3), (url, told)


@given(password=PASSWORDS, escape=ESCAPES)
def test_every_spelling_of_a_known_password_is_masked(password: str, escape: object) -> None:
    assert callable(escape)
    forget()
    learn(f"postgresql://u:{escape(password)}@db/app")
    for form in (password, unquote(password), quote(password, safe=""), repr(password), json.dumps(password)):
        assert not TELLING.search(redacted(f"host {form} is unknown")), form

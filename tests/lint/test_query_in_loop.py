"""What the linter says of a loop, and how many queries Django and SQLAlchemy send in it, agree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lint.linting import lines, lint
from tests.lint.querying import CONSTANT, GROWS, HEAD, source

RULE = "query-in-loop"


@pytest.fixture(scope="module")
def counts() -> dict[str, list[int]]:
    """Queries for 3 rows and for 6, by case."""
    script = Path(__file__).with_name("querying.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[int]] = json.loads(done.stdout)
    return found


def told(framework: str, body: str) -> list[int]:
    """The lines of the findings in the case itself."""
    start = len(HEAD[framework][0].splitlines())
    return [line - start for line in lines(lint(source(framework, body), RULE)) if line > start]


@pytest.mark.parametrize(("framework", "name"), [(one, name) for one in GROWS for name in GROWS[one]])
def test_a_loop_that_queries_once_a_row_is_found(framework: str, name: str, counts: dict[str, list[int]]) -> None:
    three, six = counts[f"{framework}: {name}"]
    assert six >= three + 3
    assert told(framework, GROWS[framework][name])


@pytest.mark.parametrize(("framework", "name"), [(one, name) for one in CONSTANT for name in CONSTANT[one]])
def test_a_loop_that_does_not_is_left_alone(framework: str, name: str, counts: dict[str, list[int]]) -> None:
    three, six = counts[f"{framework}: {name}"]
    assert six == three
    assert told(framework, CONSTANT[framework][name]) == []


#: Queries that are sent, but not once a row, or not to read.
LEFT_ALONE = {
    "kept for the next turn": (
        "known = {}\nfor book in Book.objects.all():\n    if book.author_id not in known:\n"
        "        known[book.author_id] = Author.objects.get(pk=book.author_id)"
    ),
    "kept when it is not there": (
        "known = {}\nfor key in rows:\n    author = known.get(key)\n    if author is None:\n"
        "        author = known[key] = Author.objects.get(pk=key)"
    ),
    "once a group": (
        "last = None\nfor row in rows:\n    if row.key != last:\n        last = row.key\n"
        "        author = Author.objects.get(pk=row.key)"
    ),
    "a write": "for row in rows:\n    Book.objects.filter(pk=row.pk).update(title=row.title)",
    "a lock": "for row in rows:\n    Book.objects.select_for_update().get(pk=row.pk)",
    "a few, by name": "kinds = ['a', 'b']\nfor kind in kinds:\n    Tag.objects.get(word=kind)",
    "a constant": "for kind in KINDS:\n    Tag.objects.get(word=kind)",
    "a dict, written out": "found = {'a': 1}\nfor kind, number in found.items():\n    Tag.objects.get(word=kind)",
    "a part of another query": (
        "for row in rows:\n    tags = Tag.objects.filter(word=row)\n    wanted = wanted.filter(tags__in=tags)"
    ),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_a_query_that_is_not_sent_once_a_row_is_left_alone(name: str) -> None:
    assert told("django", LEFT_ALONE[name]) == []


def test_what_a_queryset_of_the_project_brings_along_is_known() -> None:
    shelf = "class Shelf(models.QuerySet):\n    def with_authors(self):\n        return self.select_related('author')\n"
    models = HEAD["django"][0] + shelf
    loop = "def act():\n    for book in Book.objects{}.all():\n        str(book.author.name)\n"
    assert lint(models + loop.format(".with_authors()"), RULE) == []
    assert lint(models + loop.format(""), RULE)


def test_what_the_manager_of_a_model_brings_along_is_known() -> None:
    text = (
        "from django.db import models\n\nclass Author(models.Model):\n    name = models.TextField()\n\n"
        "class Shelf(models.Manager):\n    def get_queryset(self):\n"
        "        return super().get_queryset().select_related('{}')\n\n"
        "class Book(models.Model):\n    author = models.ForeignKey(Author, on_delete=models.CASCADE)\n"
        "    objects = Shelf()\n\ndef act():\n    return [book.author.name for book in Book.objects.all()]\n"
    )
    assert lint(text.format("author"), RULE) == []
    assert lint(text.format("editor"), RULE)


@pytest.mark.parametrize(
    "call",
    [
        "session.execute(text('SELECT name FROM authors WHERE id = :id'), {'id': row.author_id})",
        "connection.execute(f'select name from authors where id = {row.author_id}')",
        "cursor.execute('WITH a AS (SELECT 1) SELECT name FROM authors WHERE id = %s', [row.author_id])",
    ],
)
def test_a_select_in_plain_sql_is_a_query(call: str) -> None:
    assert told("sqlalchemy", f"for row in rows:\n    {call}")


def test_an_insert_in_plain_sql_is_a_write() -> None:
    assert told("sqlalchemy", "for row in rows:\n    cursor.execute('INSERT INTO t VALUES (%s)', [row.id])") == []


def test_a_helper_that_writes_is_no_query() -> None:
    helper = "def drop(row):\n    Book.objects.filter(pk=row.pk).delete()\n\n"
    text = HEAD["django"][0] + helper + "def act(rows):\n    for row in rows:\n        drop(row)\n"
    assert lint(text, RULE) == []


def test_rows_from_elsewhere_may_come_with_what_another_query_brings_along() -> None:
    method = "def names(shelf):\n    return [book.author.name for book in shelf.book_set.all()]\n\n"
    method = method.replace("(shelf)", "(shelf: Author)")
    view = "def view():\n    return Author.objects.prefetch_related('book_set__author')\n"
    assert lint(HEAD["django"][0] + method, RULE)
    assert lint(HEAD["django"][0] + method + view, RULE) == []


def test_the_members_of_a_class_of_choices_are_few() -> None:
    kinds = "class Kinds(models.TextChoices):\n    A = 'a'\n\ndef act():\n    for kind in Kinds:\n"
    assert lint(HEAD["django"][0] + kinds + "        Tag.objects.get(word=kind)\n", RULE) == []


#: What a file that is looked at alone imports from elsewhere, by a query of each kind.
LOOP = "\n\ndef act(session, rows):\n    for row in rows:\n        "
ALONE = {
    "a manager": f"from shop.models import Book{LOOP}Book.objects.get(pk=row)\n",
    "a user": f"from shop import get_user_model\n\nUser = get_user_model(){LOOP}User.objects.get(pk=row)\n",
    "query": f"from shop import Book{LOOP}Book.query.filter_by(id=row).first()\n",
    "a session": f"from shop import models{LOOP}session.get(models.Book, row)\n",
    "a statement": f"from shop import Book{LOOP}session.scalars(select(Book.id).where(Book.id == row))\n",
    "by number": f"from shop import Book{LOOP.replace('in rows', 'in range(len(rows))')}Book.query.get(rows[row])\n",
}
NO_MODEL = (
    *("cache.objects.get(row)", "Book.parse(row)", "Book.objects", "session.execute(DropTable(row))"),
    *("session.execute(statement, row)", "wanted |= Book.objects.filter(pk=row)"),
)


@pytest.mark.parametrize("kind", ALONE)
def test_a_model_of_a_file_that_is_not_there_is_known_by_its_name(kind: str) -> None:
    (finding,) = lint(ALONE[kind], RULE)
    assert finding.message.startswith("one query on ")


@pytest.mark.parametrize("call", NO_MODEL)
def test_what_sends_no_query_is_left_alone(call: str) -> None:
    assert lint(f"from shop import Book, DropTable, cache{LOOP}{call}\n        Book.objects.first()\n", RULE) == []

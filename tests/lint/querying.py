"""Loops that query once a row, and loops that do not: for the linter, and for Django and SQLAlchemy themselves.

Run as a program it prints, as JSON, how many queries each case sends for 3 authors and for 6.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

DJANGO = """\
from functools import lru_cache

from django.db import models
from django.db.models import Count, Exists, OuterRef, Prefetch, Q
from django.shortcuts import get_object_or_404


class Author(models.Model):
    name = models.CharField(max_length=100)

    def book_count(self):
        return Book.objects.filter(author=self).count()

    @property
    def latest(self):
        return self.book_set.order_by("-pk").first()

    def label(self):
        return f"{self.name}!"


class Profile(models.Model):
    author = models.OneToOneField(Author, on_delete=models.CASCADE, related_name="profile")
    bio = models.TextField()


class Tag(models.Model):
    word = models.CharField(max_length=20)


class Book(models.Model):
    title = models.CharField(max_length=100)
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    editor = models.ForeignKey("library.Author", null=True, on_delete=models.SET_NULL, related_name="edited")
    tags = models.ManyToManyField(Tag, related_name="books")

    objects = models.Manager()
    shelf = models.Manager()


def count_books(author):
    return Book.objects.filter(author=author).count()


def titles_of(author):
    return [book.title for book in author.book_set.all()]


def deep(author):
    return count_books(author) + 1


def find_books(author):
    if author.pk:
        return list(Book.objects.filter(author=author))
    return []


def greet(author, formal=False):
    if formal:
        return Profile.objects.get(author=author).bio
    return author.name


@lru_cache
def tag_named(word):
    return Tag.objects.filter(word=word).first()


def label(author):
    return author.name.upper()
"""
SQLALCHEMY = """\
from sqlalchemy import Column, ForeignKey, Integer, String, func, select
from sqlalchemy.orm import Session, declarative_base, joinedload, relationship, selectinload

Base = declarative_base()


class Author(Base):
    __tablename__ = "authors"
    id = Column(Integer, primary_key=True)
    name = Column(String(100))
    books = relationship("Book", back_populates="author", foreign_keys="Book.author_id")
    profile = relationship("Profile", uselist=False, lazy="selectin")

    def book_count(self, session):
        return session.scalar(select(func.count()).select_from(Book).where(Book.author_id == self.id))


class Profile(Base):
    __tablename__ = "profiles"
    id = Column(Integer, primary_key=True)
    author_id = Column(ForeignKey("authors.id"))
    bio = Column(String(100))


class Book(Base):
    __tablename__ = "books"
    id = Column(Integer, primary_key=True)
    title = Column(String(100))
    author_id = Column(ForeignKey("authors.id"))
    author = relationship(Author, back_populates="books", foreign_keys=author_id)


def author_of(session, book):
    return session.get(Author, book.author_id)
"""
#: By framework: queries once a row.
GROWS = {
    "django": {
        "foreign key": "for book in Book.objects.all():\n    str(book.author.name)",
        "foreign key by a string": "for book in Book.objects.all():\n    str(book.editor.name)",
        "foreign key, variable": "books = Book.objects.filter(pk__gt=0)\nfor book in books:\n    str(book.author.name)",
        "foreign key, list": "books = list(Book.objects.all())\nfor book in books:\n    str(book.author.name)",
        "foreign key, iterator": "for book in Book.objects.iterator():\n    str(book.author.name)",
        "foreign key, counted": "for number, book in enumerate(Book.objects.all()):\n    str(book.author.name)",
        "foreign key, after another": ('for book in Book.objects.select_related("editor"):\n    str(book.author.name)'),
        "comprehension": "[book.author.name for book in Book.objects.all()]",
        "dict comprehension": "{book.pk: book.author.name for book in Book.objects.all()}",
        "generator": "sum(len(book.author.name) for book in Book.objects.all())",
        "one to one": "for author in Author.objects.all():\n    str(author.profile.bio)",
        "words that are like a step": "for step in Book.objects.all():\n    str(step.author.name)",
        "looked up by a helper that may not": "for author in Author.objects.all():\n    find_books(author)",
        "a list that is filled": (
            "keys = []\nfor author in Author.objects.all():\n    keys.append(author.pk)\n"
            "for key in keys:\n    Author.objects.get(pk=key)"
        ),
        "filter": "for author in Author.objects.all():\n    list(Book.objects.filter(author=author))",
        "get": 'for key in list(Book.objects.values_list("pk", flat=True)):\n    Book.objects.get(pk=key)',
        "exists": "for author in Author.objects.all():\n    Book.objects.filter(author=author).exists()",
        "aggregate": 'for one in Author.objects.all():\n    Book.objects.filter(author=one).aggregate(n=Count("pk"))',
        "manager of another name": "for author in Author.objects.all():\n    list(Book.shelf.filter(author=author))",
        "get_object_or_404": "for book in Book.objects.all():\n    get_object_or_404(Author, pk=book.author_id)",
        "reverse": "for author in Author.objects.all():\n    author.book_set.count()",
        "reverse, listed": "for author in Author.objects.all():\n    list(author.book_set.all())",
        "reverse by its name": "for author in Author.objects.all():\n    author.edited.exists()",
        "many to many": "for book in Book.objects.all():\n    list(book.tags.all())",
        "many to many, reverse": "for tag in Tag.objects.all():\n    tag.books.count()",
        "filter of the prefetched": (
            'for author in Author.objects.prefetch_related("book_set"):\n    list(author.book_set.filter(pk=1))'
        ),
        "nested": "for author in Author.objects.all():\n    for book in author.book_set.all():\n        str(book.pk)",
        "helper": "for author in Author.objects.all():\n    count_books(author)",
        "helper of a helper": "for author in Author.objects.all():\n    deep(author)",
        "helper with a reverse": "for author in Author.objects.all():\n    titles_of(author)",
        "method": "for author in Author.objects.all():\n    author.book_count()",
        "property": "for author in Author.objects.all():\n    str(author.latest)",
    },
    "sqlalchemy": {
        "relationship": "for book in session.scalars(select(Book)):\n    str(book.author.name)",
        "relationship, query": "for book in session.query(Book).all():\n    str(book.author.name)",
        "relationship, variable": "books = session.query(Book).all()\nfor book in books:\n    str(book.author.name)",
        "many": "for author in session.query(Author):\n    for book in author.books:\n        str(book.title)",
        "many, counted": "for author in session.scalars(select(Author)).all():\n    len(author.books)",
        "get": "for book in session.scalars(select(Book)).all():\n    session.get(Author, book.author_id).name",
        "select": (
            "for author in session.scalars(select(Author)).all():\n"
            "    session.scalars(select(Book).where(Book.author_id == author.id)).all()"
        ),
        "query": (
            "for author in session.query(Author).all():\n    session.query(Book).filter_by(author_id=author.id).count()"
        ),
        "helper": "for book in session.scalars(select(Book)).all():\n    author_of(session, book).name",
        "method": "for author in session.scalars(select(Author)).all():\n    author.book_count(session)",
        "comprehension": "[book.author.name for book in session.scalars(select(Book))]",
    },
}
#: By framework: as many queries for six as for three.
CONSTANT = {
    "django": {
        "select_related": 'for book in Book.objects.select_related("author"):\n    str(book.author.name)',
        "select_related, variable": (
            'books = Book.objects.select_related("author").all()\nfor book in books:\n    str(book.author.name)'
        ),
        "select_related, later": (
            'books = Book.objects.all()\nbooks = books.select_related("author")\n'
            "for book in books:\n    str(book.author.name)"
        ),
        "select_related, sliced": (
            'books = Book.objects.select_related("author")\nfor book in books[:99]:\n    str(book.author.name)'
        ),
        "select_related, counted": (
            'books = Book.objects.select_related("author")\n'
            "for number, book in enumerate(books):\n    str(book.author.name)"
        ),
        "built of parts": (
            "books = Book.objects.all()\nfor word in list(Tag.objects.values_list('word', flat=True)):\n"
            "    written = Book.objects.filter(author=OuterRef('author'), title=word)\n"
            "    books = books.annotate(**{'has_' + word: Exists(written)})\nlist(books)"
        ),
        "prefetch_related": (
            'for author in Author.objects.prefetch_related("book_set"):\n    list(author.book_set.all())'
        ),
        "Prefetch": (
            'for author in Author.objects.prefetch_related(Prefetch("book_set", Book.objects.all())):\n'
            "    list(author.book_set.all())"
        ),
        "prefetched many to many": 'for book in Book.objects.prefetch_related("tags"):\n    list(book.tags.all())',
        "the key": "for book in Book.objects.all():\n    str(book.author_id)",
        "own fields": "for book in Book.objects.all():\n    book.title.upper()",
        "values": 'for row in Book.objects.values("title", "author__name"):\n    str(row["author__name"])',
        "annotate": 'for author in Author.objects.annotate(n=Count("book")):\n    str(author.n)',
        "in": (
            "keys = [author.pk for author in Author.objects.all()]\n"
            "for book in Book.objects.filter(author__in=keys):\n    book.title.upper()"
        ),
        "in_bulk": "found = Book.objects.in_bulk([1, 2])\nfor key in found:\n    found[key].title.upper()",
        "looked up": (
            "authors = {author.pk: author for author in Author.objects.all()}\n"
            "for book in Book.objects.all():\n    str(authors[book.author_id].name)"
        ),
        "filters put together": (
            'books = Book.objects.all()\nfor word in "abc":\n    books = books.exclude(title=word)\nlist(books)'
        ),
        "conditions put together": (
            "wanted = Q()\nfor author in Author.objects.all():\n    wanted |= Q(author=author)\n"
            "list(Book.objects.filter(wanted))"
        ),
        "a few, written out": "for model in (Author, Book, Tag):\n    model.objects.count()",
        "cached": 'for book in Book.objects.all():\n    tag_named("word")',
        "helper that queries in some cases only": "for author in Author.objects.all():\n    greet(author)",
        "first that fits": (
            "for book in Book.objects.all():\n    if book.title:\n        return Author.objects.get(pk=book.author_id)"
        ),
        "helper without queries": "for author in Author.objects.all():\n    label(author)",
        "method without queries": "for author in Author.objects.all():\n    author.label()",
    },
    "sqlalchemy": {
        "joinedload": (
            "for book in session.scalars(select(Book).options(joinedload(Book.author))):\n    str(book.author.name)"
        ),
        "selectinload": (
            "for author in session.query(Author).options(selectinload(Author.books)):\n    len(author.books)"
        ),
        "lazy=selectin": "for author in session.scalars(select(Author)).all():\n    str(author.profile.bio)",
        "the key": "for book in session.scalars(select(Book)):\n    str(book.author_id)",
        "join": (
            "for title, name in session.execute(select(Book.title, Author.name).join(Book.author)):\n"
            "    str(title) + name"
        ),
        "looked up": (
            "authors = {author.id: author for author in session.scalars(select(Author))}\n"
            "for book in session.scalars(select(Book)):\n    str(authors[book.author_id].name)"
        ),
    },
}
HEAD = {"django": (DJANGO, "act()"), "sqlalchemy": (SQLALCHEMY, "act(session)")}


def source(framework: str, body: str) -> str:
    """A case as a function."""
    model, call = HEAD[framework]
    return f"{model}\n\ndef {call}:\n" + "".join(f"    {line}\n" for line in body.splitlines())


def _django(body: str, counts: list[int], space: dict[str, Any]) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    function: dict[str, Any] = {}
    exec(source("django", body).removeprefix(DJANGO), space, function)
    for _ in range(2):
        for _ in range(3):
            author = space["Author"].objects.create(name="a")
            space["Profile"].objects.create(author=author, bio="b")
            book = space["Book"].objects.create(title="t", author=author, editor=author)
            book.tags.add(space["Tag"].objects.create(word="w"))
        space["tag_named"].cache_clear()
        with CaptureQueriesContext(connection) as seen:
            function["act"]()
        counts.append(len(seen))
    for name in ("Profile", "Book", "Author", "Tag"):
        space[name].objects.all().delete()


def _sqlalchemy(body: str, counts: list[int], space: dict[str, Any]) -> None:
    from sqlalchemy import create_engine, event

    exec(source("sqlalchemy", body), space)
    engine = create_engine("sqlite://")
    space["Base"].metadata.create_all(engine)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    for _ in range(2):
        with space["Session"](engine) as session:
            for _ in range(3):
                author = space["Author"](name="a", profile=space["Profile"](bio="b"))
                session.add(space["Book"](title="t", author=author))
            session.commit()
        with space["Session"](engine) as session:
            sent.clear()
            space["act"](session)
            counts.append(len(sent))
    engine.dispose()


def main() -> None:
    """Print the counts of every case."""
    import django
    from django.apps import AppConfig
    from django.conf import settings
    from django.db import connection

    library = ModuleType("library")
    library.__path__ = []
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=[type("Library", (AppConfig,), {"path": "."})("library", library)],
    )
    django.setup()
    space: dict[str, Any] = {"__name__": "library.models"}  # what says to which application a model belongs
    exec(DJANGO, space)
    with connection.schema_editor() as editor:
        for name in ("Author", "Profile", "Tag", "Book"):
            editor.create_model(space[name])
    run: dict[str, Callable[[str, list[int]], None]] = {
        "django": lambda body, counts: _django(body, counts, space),
        "sqlalchemy": lambda body, counts: _sqlalchemy(body, counts, {}),
    }
    found: dict[str, list[int]] = {}
    for cases in (GROWS, CONSTANT):
        for framework, bodies in cases.items():
            for name, body in bodies.items():
                run[framework](body, found.setdefault(f"{framework}: {name}", []))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

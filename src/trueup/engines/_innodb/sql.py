"""SQL constructs of MySQL and MariaDB that SQLAlchemy lacks, and what a column's type says about its bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

#: Character sets whose text turns into utf8mb4 and back without loss; others (big5, sjis, gbk ...) spell some
#: characters in two ways, which their text alone does not tell, or (ucs2, utf32) hold half a surrogate pair.
LOSSLESS = frozenset({"utf8mb4", "utf8mb3", "utf8", "utf16", "utf16le", "latin1", "ascii"})
#: Character sets whose bytes equal those of utf8mb4.
UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii"})


class _Cast(FunctionElement[Any]):
    name = "trueup_cast"
    inherit_cache = True


class _Using(FunctionElement[str]):
    name = "trueup_using"
    inherit_cache = True
    type = sa.Text()


class _JsonTable(FunctionElement[Any]):
    name = "trueup_json_table"
    inherit_cache = True


@compiles(_Cast)
def _compile_cast(element: _Cast, compiler: SQLCompiler, **options: Any) -> str:
    value, kind = element.clauses
    return f"CAST({compiler.process(value, **options)} AS {compiler.process(kind, **options)})"


@compiles(_Using)
def _compile_using(element: _Using, compiler: SQLCompiler, **options: Any) -> str:
    value, charset = element.clauses
    return f"CONVERT({compiler.process(value, **options)} USING {compiler.process(charset, **options)})"


@compiles(_JsonTable)
def _compile_json_table(element: _JsonTable, compiler: SQLCompiler, **options: Any) -> str:
    document, columns = element.clauses
    shape = compiler.process(columns, **options)
    return f"JSON_TABLE({compiler.process(document, **options)}, '$[*]' COLUMNS({shape}))"


def cast_as(value: Any, kind: str, type_: TypeEngine[Any] | None = None) -> ColumnElement[Any]:
    """Return `CAST(value AS kind)`: SQLAlchemy's own knows only some kinds. `kind` is never a user's text."""
    return sa.type_coerce(_Cast(value, sa.literal_column(kind)), type_ or NullType())


def text_of(value: Any) -> ColumnElement[str]:
    """Return any value as text in utf8mb4."""
    return cast_as(value, "CHAR CHARACTER SET utf8mb4", sa.Text())


def bytes_of(value: Any) -> ColumnElement[Any]:
    """Return the bytes of a text or of binary data."""
    return cast_as(value, "BINARY")


def using(value: Any, charset: str) -> ColumnElement[str]:
    """Return text in another character set. Bytes are assumed to be in that set already."""
    return _Using(value, sa.literal_column(charset))


def legible(value: Any) -> ColumnElement[str]:
    """Return the text of a column for a reader, with half a surrogate pair as a question mark.

    Half a pair can be stored in ucs2 and utf32, and on MariaDB in utf8mb3 and utf8mb4, which return it as it is.
    """
    return using(using(value, "utf16"), "utf8mb4")


def json_table(
    document: ColumnElement[Any], columns: list[tuple[str, str, str]], name: str | None = None
) -> sa.TableValuedAlias:
    """Return the arrays in a JSON array as rows; `columns` are name, type and path."""
    shape = ", ".join(f"`{column}` {kind} PATH '{path}'" for column, kind, path in columns)
    labels: list[sa.ColumnClause[Any]] = [sa.column(sa.sql.quoted_name(column, quote=True)) for column, _, _ in columns]
    return _JsonTable(document, sa.literal_column(shape)).table_valued(*labels, name=name)


class Members(sa.Text):
    """ENUM and SET, read as text. A foreign key compares their numbers."""

    def __init__(self, ddl: str, collation: str | None = None) -> None:
        super().__init__(collation=collation)
        self.ddl = ddl


def as_key(child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether InnoDB matches `child` with `parent` in a foreign key.

    It compares by the collation, or the numbers, of the parent.
    """
    mine, theirs = child.type, parent.type
    if isinstance(mine, Members) and isinstance(theirs, Members) and mine.ddl != theirs.ddl:
        return sa.type_coerce(parent, NullType()) + 0 == sa.type_coerce(child, NullType()) + 0
    have, want = getattr(mine, "collation", None), getattr(theirs, "collation", None)
    if have and want and have != want:
        # keys made without a check, or before one column was converted; to compare them as they are is an error
        charset = want.partition("_")[0]
        same = charset == have.partition("_")[0]
        return parent == (child if same else using(child, charset)).collate(want)
    return parent == child


def alike(child: Kind, parent: Kind) -> bool:
    """Whether `as_key` compares as a foreign key between columns of these types does.

    InnoDB accepts a foreign key between many unlike types and compares the stored bytes: 0.5 in DECIMAL(5,1) is the
    parent of 0.05 in DECIMAL(5,2), and 1970 in YEAR that of 70 in TINYINT UNSIGNED. Under a collation without padding
    no VARCHAR finds its parent in a CHAR: MySQL says that there is none, and MariaDB crashes.
    """
    words = {child.word, parent.word}
    if words <= {"enum", "set"}:
        return True
    if words <= {"char", "varchar"}:
        padded = not re.search("_0900_|_nopad_", child.collation + parent.collation)
        return padded or words == {"varchar"} or (len(words) == 1 and child.arguments == parent.arguments)
    if words <= {"binary", "varbinary"}:
        # MySQL fills up the shorter of two BINARY with zeros
        return words != {"binary"} or child.arguments == parent.arguments
    if len(words) > 1:
        return False
    if child.word in ("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "float", "double", "year"):
        return child.unsigned == parent.unsigned  # in brackets stands only how they are shown
    return child.arguments == parent.arguments


def forced(index: str) -> str:
    """Return the hint to read a table by this index."""
    # formatted twice: by SQLAlchemy, then by the driver
    return "FORCE INDEX (`" + index.replace("`", "``").replace("%", "%%%%") + "`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A parsed column type: `decimal(10,2) unsigned` is ('decimal', (10, 2))."""

    word: str
    arguments: tuple[int, ...] = ()
    charset: str = ""
    collation: str = ""
    unsigned: bool = False
    zerofill: bool = False
    #: The length of the longest value of an ENUM or a SET.
    widest: int = 255

    @property
    def lossless(self) -> bool:
        """Whether text in this character set survives utf8mb4."""
        return self.charset in LOSSLESS


def kind_of(ddl: str) -> Kind:
    """Parse a type as `Column.ddl` holds it."""
    word = re.match(r"\s*([a-z0-9_]+)", ddl, re.IGNORECASE)
    arguments = re.match(r"\s*[a-z0-9_]+\s*\(([\d,\s]+)\)", ddl, re.IGNORECASE)
    # an ENUM's members may say anything: only what follows the last bracket counts
    tail = ddl.rpartition(")")[2] if word and word[1].lower() in ("enum", "set") else ddl
    words = tail.lower().split()
    charset = re.search(r"\bCHARACTER SET (\w+)", tail)
    collation = re.search(r"\bCOLLATE (\w+)", tail)
    return Kind(
        word=word[1].lower() if word else "",
        arguments=tuple(int(part) for part in arguments[1].split(",")) if arguments else (),
        charset=charset[1] if charset else "",
        collation=collation[1] if collation else "",
        unsigned="unsigned" in words or (word is not None and word[1].lower() == "bit"),
        zerofill="zerofill" in words,
        # a member has at most 255 characters, but a SET may hold all of them
        widest=max(255, len(ddl)) if word and word[1].lower() == "set" else 255,
    )


def hexadecimal(kind: Kind) -> bool:
    """Whether a key of this type is sent as hexadecimal digits."""
    return kind.word in ("binary", "varbinary") or bool(kind.charset and not kind.lossless)


def staged(kind: Kind) -> str:
    """Return the type of a staged key part: the column's own wherever JSON_TABLE accepts it."""
    size = kind.arguments[0] if kind.arguments else kind.widest
    if hexadecimal(kind):
        return f"VARCHAR({8 * size}) CHARACTER SET ascii COLLATE ascii_bin"
    if kind.charset:  # CHAR, VARCHAR, ENUM and SET
        return f"VARCHAR({size}) CHARACTER SET {kind.charset} COLLATE {kind.collation}"
    if kind.word in ("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year", "bit"):
        return "BIGINT UNSIGNED" if kind.unsigned else "BIGINT"
    if kind.word in ("decimal", "numeric"):
        precision, scale = (*kind.arguments, 10, 0)[:2] if len(kind.arguments) != 1 else (kind.arguments[0], 0)
        return f"DECIMAL({precision},{scale})"
    if kind.word in ("datetime", "timestamp", "time"):
        return f"{kind.word.upper()}({kind.arguments[0] if kind.arguments else 0})"
    return "DATE" if kind.word == "date" else "VARCHAR(255)"  # UUID, INET6 and their like are found by their text


def utf8(value: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
    """Return text by its bytes in utf8mb4, where it has such."""
    return value if kind.charset in UTF8 or not kind.lossless else using(value, "utf8mb4")


def number_or_time(value: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
    """Return a value as a column of this type stores it, if it fits."""
    places = kind.arguments[-1] if kind.arguments else 0
    if kind.word in ("tinyint", "smallint", "mediumint", "int", "integer", "bigint"):
        return cast_as(value, "DECIMAL(65,0)", sa.Numeric())
    if kind.word in ("bit", "year"):
        return cast_as(value, "UNSIGNED", sa.BigInteger())
    if kind.word in ("decimal", "numeric"):
        return cast_as(value, f"DECIMAL(65,{places if len(kind.arguments) == 2 else 0})", sa.Numeric())
    if kind.word in ("float", "double", "real"):
        rounded = func.round(value * sa.literal_column("1e0"), places) if len(kind.arguments) == 2 else value
        return cast_as(rounded, "FLOAT" if kind.word == "float" else "DOUBLE", sa.Double())
    if kind.word in ("datetime", "timestamp", "time"):
        return cast_as(value, f"{'TIME' if kind.word == 'time' else 'DATETIME'}({places})")
    if kind.word == "date":
        return cast_as(value, "DATE")
    if kind.word == "binary":
        padded = cast_as(value, f"BINARY({places})")
        return sa.case((func.length(value) < places, padded), else_=bytes_of(value))
    if kind.word in ("varbinary", "tinyblob", "blob", "mediumblob", "longblob"):
        return bytes_of(value)
    return value

"""Blank text is told from other text by its first character where that decides, on every engine."""

import pytest
import sqlalchemy as sa

from tests.dialects.opened import opened
from tests.engines import Database

pytestmark = pytest.mark.each_engine

BLANK = ["", " ", "\t\n\r", "\u00a0", "\u3000", "\u2028 ", "\u1680\u2003", "  \u205f"]
WORDS = [
    "a",
    " a",
    "~",
    "!",
    "\x7f",
    "é",
    "ß ",
    "Ω",
    "я ",
    "\u05d0",
    "漢",
    "ひ",
    "\u2014",
    "\U0001f600",
    "\u00a0x",
    "\u200b",
]


@pytest.mark.parametrize("text", [*BLANK, *WORDS])
def test_text_is_blank_when_it_is_nothing_but_white_space(database: Database, text: str) -> None:
    with opened(database) as session:
        blank = session.dialect.is_blank(sa.cast(sa.literal(text, sa.Text), sa.Text))
        assert session.ask(sa.case((blank, 1), else_=0), sa.case((sa.not_(blank), 1), else_=0)) == [
            (int(text in BLANK), int(text not in BLANK))
        ]


def test_null_is_not_blank(database: Database) -> None:
    with opened(database) as session:
        blank = session.dialect.is_blank(sa.cast(sa.null(), sa.Text))
        assert session.ask(sa.case((sa.not_(blank), 1), else_=0)) == [1]

"""A guard as SQL, as a Django migration, and as an Alembic migration, each with its way back."""

from __future__ import annotations

import re

from trueup.errors import Refused
from trueup.guard.contract import Guard, guard_dialect

#: The formats, as `--format` names them.
FORMATS = ("sql", "django", "alembic")


def migration(guard: Guard, form: str, engine: str) -> str:
    """The text of a migration. `form` is one of `FORMATS`."""
    return {"sql": sql, "django": django, "alembic": alembic}[form](guard, engine)


def sql(guard: Guard, engine: str) -> str:
    """Statements for a console, with the lock of each; the way back as comments."""
    dialect = guard_dialect(engine)
    lines = [_remark(f"{guard.name}: guards the check {guard.check} on {guard.table} ({engine}, {guard.form})")]
    lines += [_remark(f"note: {note}") for note in guard.notes]
    if settings := dialect.settings(guard):
        lines += [_remark("what is in quotes is spelled for these settings:"), f"{settings};"]
    delimited = dialect.cuts_at_semicolons and any(";" in step.sql for step in guard.install)
    lines += ["DELIMITER //"] if delimited else []
    for step in guard.install:
        lines += [f"-- lock: {step.lock}" + ("; outside of a transaction" if step.alone else "")]
        lines += [step.sql + ("//" if delimited else ";")]
    lines += ["DELIMITER ;"] if delimited else []
    lines += ["-- to take it off:", *(_remark(f"{step.sql};") for step in guard.remove)]
    return "\n".join(lines) + "\n"


def _remark(text: str) -> str:
    """A comment; what it quotes may have lines of its own."""
    return "\n".join(f"-- {line}" for line in text.splitlines())


def django(guard: Guard, engine: str) -> str:
    """A migration of Django's; the dependency is for the reader to fill in."""
    # one transaction around all would hold the first lock until the last step is done
    install = "".join(f"                {step!r},\n" for step in guard_dialect(engine).in_any_session(guard))
    remove = "".join(f"                {step.sql!r},\n" for step in guard.remove)
    return (
        f"{_docstring(f'Guards {guard.table}: {guard.check} holds for every row from here on ({engine}).')}\n\n"
        "from django.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    atomic = False\n\n"
        '    dependencies = []  # the latest migration of this app, such as ("analytics", "0007_alter_metadata")\n\n'
        "    operations = [\n"
        "        migrations.RunSQL(\n"
        f"            sql=[\n{install}            ],\n"
        f"            reverse_sql=[\n{remove}            ],\n"
        "        ),\n"
        "    ]\n"
    )


def _docstring(text: str) -> str:
    """A docstring that ends where it should."""
    plain = "".join(sign if sign.isprintable() and sign not in '\\"' else "?" for sign in text)
    return f'"""{plain}"""'


def bound(text: str) -> str:
    """A statement as SQLAlchemy's text, where a colon before a word is a parameter and a backslash before one is not.

    Raises `Refused` for the rare text that has no such spelling.
    """
    import sqlalchemy as sa
    from sqlalchemy.engine.default import DefaultDialect

    escaped = re.sub(r"(?<![:\w\\]):(?=\w)|(?<=\\):(?=[\w$]*(?![:\w$]))", r"\\:", text)
    if str(sa.text(escaped).compile(dialect=DefaultDialect(paramstyle="named"))) != text:
        raise Refused("a text in this guard cannot be spelled in an Alembic migration; print it as SQL")
    return escaped


def alembic(guard: Guard, engine: str) -> str:
    """A migration of Alembic's; the revisions are for the reader to fill in."""

    def calls(steps: tuple[tuple[str, bool], ...]) -> str:
        lines = []
        for text, alone in steps:
            escaped = bound(text)
            call = f"op.execute(sa.text({escaped!r}))"
            lines.append(f"    with op.get_context().autocommit_block():\n        {call}" if alone else f"    {call}")
        return "\n".join(lines)

    # each step ends its transaction: one around all would hold the first lock until the last step is done
    install = calls(tuple((step, True) for step in guard_dialect(engine).in_any_session(guard)))
    remove = calls(tuple((step.sql, step.alone) for step in guard.remove))
    return (
        f"{_docstring(f'Guard {guard.table}: the check {guard.check} ({engine}).')}\n\n"
        "import sqlalchemy as sa\n"
        "from alembic import op\n\n"
        f"revision = {guard.name[-8:]!r}\n"
        "down_revision = None  # the revision before this one\n"
        "branch_labels = None\n"
        "depends_on = None\n\n\n"
        f"def upgrade() -> None:\n{install}\n\n\n"
        f"def downgrade() -> None:\n{remove}\n"
    )

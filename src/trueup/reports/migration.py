"""A guard as SQL, as a Django migration, and as an Alembic migration, each with its way back."""

from __future__ import annotations

import re

from trueup.guard import Guard

#: The formats, as `--format` names them.
FORMATS = ("sql", "django", "alembic")


def migration(guard: Guard, form: str, engine: str) -> str:
    """The text of a migration. `form` is one of `FORMATS`."""
    return {"sql": sql, "django": django, "alembic": alembic}[form](guard, engine)


def sql(guard: Guard, engine: str) -> str:
    """Statements for a console, with the lock of each; the way back as comments."""
    lines = [f"-- {guard.name}: guards the check {guard.check} on {guard.table} ({engine}, {guard.form})"]
    lines += [f"-- note: {note}" for note in guard.notes]
    delimited = engine in ("mysql", "mariadb") and any(";" in step.sql for step in guard.install)
    lines += ["DELIMITER //"] if delimited else []
    for step in guard.install:
        lines += [f"-- lock: {step.lock}" + ("; outside of a transaction" if step.alone else "")]
        lines += [step.sql + ("//" if delimited else ";")]
    lines += ["DELIMITER ;"] if delimited else []
    lines += ["-- to take it off:", *(f"-- {step.sql};" for step in guard.remove)]
    return "\n".join(lines) + "\n"


def django(guard: Guard, engine: str) -> str:
    """A migration of Django's; the dependency is for the reader to fill in."""
    # one transaction around all would hold the first lock until the last step is done
    install = "".join(f"                {step.sql!r},\n" for step in guard.install)
    remove = "".join(f"                {step.sql!r},\n" for step in guard.remove)
    return (
        f'"""Guards {guard.table}: the check {guard.check} holds for every row written from here on ({engine})."""\n\n'
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


def alembic(guard: Guard, engine: str) -> str:
    """A migration of Alembic's; the revisions are for the reader to fill in."""

    def calls(steps: tuple[tuple[str, bool], ...]) -> str:
        lines = []
        for text, alone in steps:
            # in SQLAlchemy's text a colon before a word is a parameter
            escaped = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", text)
            call = f"op.execute(sa.text({escaped!r}))"
            lines.append(f"    with op.get_context().autocommit_block():\n        {call}" if alone else f"    {call}")
        return "\n".join(lines)

    # each step ends its transaction: one around all would hold the first lock until the last step is done
    install = calls(tuple((step.sql, True) for step in guard.install))
    remove = calls(tuple((step.sql, step.alone) for step in guard.remove))
    return (
        f'"""Guard {guard.table}: the check {guard.check} ({engine})."""\n\n'
        "import sqlalchemy as sa\n"
        "from alembic import op\n\n"
        f"revision = {guard.name[-8:]!r}\n"
        "down_revision = None  # the revision before this one\n"
        "branch_labels = None\n"
        "depends_on = None\n\n\n"
        f"def upgrade() -> None:\n{install}\n\n\n"
        f"def downgrade() -> None:\n{remove}\n"
    )

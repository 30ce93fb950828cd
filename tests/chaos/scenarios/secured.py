"""Row security hides rows from the role that looks: a scan by it says so, and is never clean."""

from __future__ import annotations

from tests.chaos.arena import OBJECTS, Arena, Tally

ENGINES = ("postgresql",)
SEEN = ("hidden rows",)


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """A table of which the role may see only the sound half."""
    run = arena.session.run
    run("DROP TABLE IF EXISTS secured")
    run("CREATE TABLE secured (id INTEGER PRIMARY KEY, metadata jsonb, mine boolean)")
    run(
        "INSERT INTO secured SELECT i, (CASE WHEN mod(i, 2) = 0 THEN '{}' ELSE '7' END)::jsonb, mod(i, 2) = 0"
        " FROM generate_series(1, 40) i"
    )
    run("ALTER TABLE secured ENABLE ROW LEVEL SECURITY")
    run("CREATE POLICY half ON secured USING (mine)")
    run("DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    run("GRANT SELECT ON secured TO reader")
    config = arena.configure(
        "secured", [{**OBJECTS, "table": "secured"}], url=arena.url.replace("postgres@", "reader@")
    )
    told = arena.do("scan", config=config)
    tally.seen["hidden rows"] += 20
    if told.word == "done" and "not checked" not in told.state + told.text:
        tally.violations.append(f"{arena.engine}, seed {seed}: rows are hidden, and the scan says {told}")

"""Rules of a table that call a function of the application, which may write elsewhere: PostgreSQL lets them."""

from __future__ import annotations

from tests.chaos.worlds.making import Maker
from tests.chaos.worlds.model import Piece


def functions(made: Maker) -> None:
    """A check, a domain, an index, a generated column or a default of the main table that calls one."""
    if made.engine != "postgresql" or not (own := made.rarely(0.08, "function in a rule")):
        return
    home, main = made.n(made.home), made.main
    ruled, table = f"{home}.wt_ruled", made.q(main.place)
    sql = f"CREATE FUNCTION {ruled}(n integer) RETURNS integer IMMUTABLE"
    if own.random() < 0.6:
        made.features.append("rule that writes")
        # what is called from an IMMUTABLE function may write, though that one may not
        noted = f"BEGIN INSERT INTO {home}.wt_log VALUES (n, 'ruled'); RETURN n; END"
        first: tuple[str, ...] = (
            f"CREATE TABLE {home}.wt_log (n integer, t text)",
            f"CREATE FUNCTION {home}.wt_noted(n integer) RETURNS integer LANGUAGE plpgsql AS $$ {noted} $$",
            f"{sql} LANGUAGE plpgsql AS $$ BEGIN PERFORM {home}.wt_noted(n); RETURN coalesce(n, 0) + 1; END $$",
        )
    else:
        first = (f"{sql} LANGUAGE sql AS $$ SELECT coalesce(n, 0) + 1 $$",)
    rule = own.choice(["check", "domain", "touched domain", "index", "generated", "default"])
    if rule == "check":
        main.clauses.append(f"CHECK ({ruled}(x) IS NOT NULL)")
    elif rule == "index":
        made.last.append(Piece("ruled index", (f"CREATE INDEX wt_ruled ON {table} (({ruled}(x)))",)))
    elif rule == "generated":
        main.columns["ruled"] = f"integer GENERATED ALWAYS AS ({ruled}(x)) STORED"
    elif rule == "default":
        main.columns["ruled"] = f"integer DEFAULT {ruled}(1)"
    else:
        first += (f"CREATE DOMAIN {home}.wt_whole AS integer CHECK ({ruled}(VALUE) IS NOT NULL)",)
        main.columns["x" if rule == "touched domain" else "ruled"] = f"{home}.wt_whole"
    made.pieces.append(Piece("rules", first, (), False))

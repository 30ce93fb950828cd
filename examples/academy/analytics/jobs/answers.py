"""The answers in `ActivityEvent.metadata`, read in the database so that a damaged row is passed over, not tripped on.

Only objects are read. `is_correct` may be a boolean, 0 or 1, or their text: the text `false` is not true. JSON null is
no time, so it does not pull an average down. `quiz_id` may be text; one of a quiz that is gone joins nothing.
"""

from django.db import connection


def vendor() -> str:
    """The engine, with MariaDB told from MySQL."""
    if connection.vendor == "mysql" and connection.mysql_is_mariadb:
        return "mariadb"
    return str(connection.vendor)


def scalar(key: str) -> str:
    """The scalar at `key` of an object; NULL for JSON null. Text, on SQLite numbers as numbers, on PostgreSQL jsonb."""
    return {
        "sqlite": f"JSON_EXTRACT(e.metadata, '$.{key}')",
        "postgresql": f"e.metadata -> '{key}'",
        # a short type: rows with long text cannot wait in memory
        "mysql": f"CAST(NULLIF(JSON_UNQUOTE(JSON_EXTRACT(e.metadata, '$.{key}')), 'null') AS CHAR(40))",
        "mariadb": f"NULLIF(JSON_UNQUOTE(JSON_EXTRACT(e.metadata, '$.{key}')), 'null')",
    }[vendor()]


def is_object() -> str:
    """Whether there is an object; asked before anything is read from it.

    On PostgreSQL what is no object has no keys, and a condition on its type would be taken for a rare one.
    """
    return {
        "sqlite": "CASE WHEN JSON_VALID(e.metadata) THEN JSON_TYPE(e.metadata) = 'object' END",
        "postgresql": "e.metadata IS NOT NULL",
        "mysql": "JSON_TYPE(e.metadata) = 'OBJECT'",
        "mariadb": "CASE WHEN JSON_VALID(e.metadata) THEN JSON_TYPE(e.metadata) = 'OBJECT' END",
    }[vendor()]


def integer(value: str, *, cut: bool = False) -> str:
    """A whole number of at most 18 digits, fractions cut off or refused; NULL for anything else."""
    if vendor() == "postgresql":
        text, number = f"({value} #>> '{{}}')", f"{value}::numeric"
        whole = f"split_part({text}, '.', 1)" if cut else text
        fits = "" if cut else f"AND {number} = trunc({number}) "
        return (
            f"CASE jsonb_typeof({value}) WHEN 'number' THEN CASE WHEN {number} BETWEEN 0 AND 1e18 {fits}"
            f"THEN trunc({number})::bigint END "
            f"WHEN 'string' THEN CASE WHEN {whole} ~ '^[0-9]{{1,18}}$' THEN {whole}::bigint END END"
        )
    if vendor() == "sqlite":
        whole = f"SUBSTR({value}, 1, INSTR({value} || '.', '.') - 1)" if cut else value
        return (
            f"CASE WHEN TYPEOF({value}) = 'integer' AND {value} >= 0 THEN {value} "
            f"WHEN {whole} <> '' AND {whole} NOT GLOB '*[^0-9]*' AND LENGTH({whole}) < 19 "
            f"THEN CAST({whole} AS INTEGER) END"
        )
    whole = f"SUBSTRING_INDEX({value}, '.', 1)" if cut else value
    return f"CASE WHEN {whole} REGEXP '^[0-9]{{1,18}}$' THEN CAST({whole} AS SIGNED) END"


def truth(value: str) -> str:
    """1 or 0; NULL where it is neither."""
    text = f"{value} #>> '{{}}'" if vendor() == "postgresql" else value
    return f"CASE LOWER({text}) WHEN 'true' THEN 1 WHEN '1' THEN 1 WHEN 'false' THEN 0 WHEN '0' THEN 0 END"


def read(since: str = "%s") -> str:
    """A subquery of answers as they are written: user_id, happened, question_id, quiz, correct, spent, id."""
    return f"""
        SELECT e.id, e.user_id, e.timestamp AS happened, e.object_id AS question_id,
               {scalar("quiz_id")} AS quiz, {scalar("is_correct")} AS correct, {scalar("time_spent_ms")} AS spent
        FROM analytics_activityevent e
        WHERE e.event_type = 'quiz_answer_submitted' AND e.timestamp >= {since} AND {is_object()}
        {apart()}
    """


def apart() -> str:
    """Keeps a subquery from being merged, which would take each key out of the JSON once a use."""
    return "OFFSET 0" if vendor() == "postgresql" else f"LIMIT {2**62}"


def answers(since: str = "%s") -> str:
    """A subquery of answers: user_id, happened, question_id, quiz_id, correct, ms. One parameter: not before when."""
    return f"""
        SELECT a.user_id, a.happened, a.question_id, {integer("a.quiz")} AS quiz_id,
               {truth("a.correct")} AS correct, {integer("a.spent", cut=True)} AS ms, a.id
        FROM ({read(since)}) a
    """


def counted(since: str = "%s") -> str:
    """Answers by quiz and question: quiz_id, question_id, answers, right ones, milliseconds, and answers with a time.

    What the engine counts by is what is written; only the counts are told apart into 7 and "7", true and 1.
    """
    ms = integer("a.spent", cut=True)
    return f"""
        SELECT {integer("c.quiz")}, c.question_id, SUM(c.n), SUM({truth("c.correct")} * c.n), SUM(c.ms), SUM(c.timed)
        FROM (
            SELECT a.quiz, a.question_id, a.correct, COUNT(*) AS n, SUM({ms}) AS ms, COUNT({ms}) AS timed
            FROM ({read(since)}) a GROUP BY a.quiz, a.question_id, a.correct {apart()}
        ) c
        WHERE {truth("c.correct")} IS NOT NULL GROUP BY 1, 2
    """

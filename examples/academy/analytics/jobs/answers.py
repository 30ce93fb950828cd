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
    """The scalar at `key` as text; NULL for JSON null, and where there is no object."""
    column = "e.metadata"
    return {
        "sqlite": (
            f"CASE WHEN JSON_VALID({column}) THEN CASE WHEN JSON_TYPE({column}) = 'object' "
            f"THEN CAST(JSON_EXTRACT({column}, '$.{key}') AS TEXT) END END"
        ),
        "postgresql": f"CASE WHEN jsonb_typeof({column}) = 'object' THEN {column} ->> '{key}' END",
        "mysql": (
            f"CASE WHEN JSON_TYPE({column}) = 'OBJECT' "
            f"THEN NULLIF(JSON_UNQUOTE(JSON_EXTRACT({column}, '$.{key}')), 'null') END"
        ),
        "mariadb": (
            f"CASE WHEN JSON_VALID({column}) AND JSON_TYPE({column}) = 'OBJECT' "
            f"THEN NULLIF(JSON_UNQUOTE(JSON_EXTRACT({column}, '$.{key}')), 'null') END"
        ),
    }[vendor()]


def integer(text: str) -> str:
    """A whole number of at most 18 digits; NULL for any other text."""
    return {
        "sqlite": (
            f"CASE WHEN {text} <> '' AND {text} NOT GLOB '*[^0-9]*' AND LENGTH({text}) < 19 "
            f"THEN CAST({text} AS INTEGER) END"
        ),
        "postgresql": f"CASE WHEN {text} ~ '^[0-9]{{1,18}}$' THEN CAST({text} AS BIGINT) END",
        "mysql": f"CASE WHEN {text} REGEXP '^[0-9]{{1,18}}$' THEN CAST({text} AS SIGNED) END",
        "mariadb": f"CASE WHEN {text} REGEXP '^[0-9]{{1,18}}$' THEN CAST({text} AS SIGNED) END",
    }[vendor()]


def milliseconds(text: str) -> str:
    """A time of at most 15 digits, fractions cut off; NULL for any other text."""
    whole = {
        "sqlite": f"SUBSTR({text}, 1, INSTR({text} || '.', '.') - 1)",
        "postgresql": f"split_part({text}, '.', 1)",
        "mysql": f"SUBSTRING_INDEX({text}, '.', 1)",
        "mariadb": f"SUBSTRING_INDEX({text}, '.', 1)",
    }[vendor()]
    return integer(whole)


def truth(text: str) -> str:
    """1 or 0; NULL where it is neither."""
    return f"CASE WHEN LOWER({text}) IN ('true', '1') THEN 1 WHEN LOWER({text}) IN ('false', '0') THEN 0 END"


def answers(since: str = "%s") -> str:
    """A subquery of answers: user_id, happened, question_id, quiz_id, correct, ms. One parameter: not before when."""
    return f"""
        SELECT a.user_id, a.happened, a.question_id, {integer("a.quiz")} AS quiz_id,
               {truth("a.correct")} AS correct, {milliseconds("a.spent")} AS ms, a.id
        FROM (
            SELECT e.id, e.user_id, e.timestamp AS happened, e.object_id AS question_id,
                   {scalar("quiz_id")} AS quiz, {scalar("is_correct")} AS correct, {scalar("time_spent_ms")} AS spent
            FROM analytics_activityevent e
            WHERE e.event_type = 'quiz_answer_submitted' AND e.timestamp >= {since}
        ) a
    """

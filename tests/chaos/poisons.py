"""Values that have broken other tools, by engine and column type, as SQL; and names that SQL was not made for."""

from __future__ import annotations

_TEXTS = ["''", "' '", "'42'", "'null'", "'\u202eabc'", "'e\u0301'", "'\u00e9'", "'\ufffd'", "'\U0001f600'", "'=1+1'"]
_NUMBERS = ["'1'", "'1.0'", "'1.00'", "'-0.0'", "'9007199254740993'", "'1e300'"]
_DEEP = "'" + "[" * 90 + "]" * 90 + "'"
_DOCUMENTS = ["'null'", "'\"null\"'", '\'{"a": 1, "a": 2}\'', "'\"\\u00e9\"'", _DEEP, *_NUMBERS]

POISONS: dict[str, dict[str, list[str]]] = {
    "sqlite": {
        "": [
            "NULL",
            "''",
            "x''",
            "x'00ff'",
            "42",
            "'42'",
            "42.0",
            "-0.0",
            "9e999",
            "-9e999",
            "9223372036854775807",
            "-9223372036854775808",
            "9007199254740993",
            "1e308",
            "'a' || char(0) || 'b'",
            "CAST(x'fffe41' AS TEXT)",
            "CAST(x'eda080' AS TEXT)",
            "zeroblob(100000)",
            "hex(zeroblob(50000))",
            *_TEXTS,
        ],
        "TEXT": [
            "NULL",
            "'a' || char(0) || 'b'",
            "CAST(x'fffe41' AS TEXT)",
            '\'{"a": 1, "a": 2}\'',
            *_TEXTS,
            *_DOCUMENTS,
        ],
        "REAL": ["NULL", "16777216", "1.0 / 3", "-0.0", "9e999", "1e-320", "'text'"],
        "NUMERIC": ["NULL", "1.0", "'1e400'", "123456789012345678901234567890", "'0x10'", "9007199254740993"],
    },
    "postgresql": {
        "text": ["NULL", "repeat('x', 100000)", *_TEXTS],
        "char(5)": ["NULL", "'ab'", "'ab  '", "''"],
        "bytea": ["NULL", "'\\x'", "'\\x00ff'"],
        "jsonb": ["NULL", "'123456789012345678901234567890'", "'1e400'", *_DOCUMENTS],
        "json": ["NULL", '\' {"a" : 1,  "a": 2}\'', "'\"\\u0000\"'", *_DOCUMENTS],
        "numeric": ["NULL", "'NaN'", "1.0", "1.00", "1e400", "-0.0"],
        "real": ["NULL", "16777216", "1.0 / 3", "'NaN'", "'-Infinity'", "'-0'"],
        "double precision": ["NULL", "'NaN'", "'Infinity'", "'-0'", "1e-320", "0.1::float8 + 0.2"],
        "timestamp": ["NULL", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'294276-12-31 23:59:59.999999'"],
        "timestamptz": ["NULL", "'infinity'", "'1900-01-01 00:00:00+00:19:32'"],
        "date": ["NULL", "'infinity'", "'4713-01-01 BC'"],
        "interval": ["NULL", "'1 mon'", "'30 days'", "'24:00:00'", "'1 day'"],
        "time": ["NULL", "'24:00:00'"],
        "int[]": ["NULL", "'{}'", "'[2:3]={1,2}'", "'{NULL,1}'", "'{{1},{2}}'"],
        "bit varying": ["NULL", "B''", "B'0001'"],
        "inet": ["NULL", "'10.0.0.1/8'", "'::1'"],
        "uuid": ["NULL", "'00000000-0000-0000-0000-000000000000'"],
        "boolean": ["NULL", "true", "false"],
        "xml": ["NULL", "'<a>&lt;</a>'"],
        "point": ["NULL", "'(1,-0)'"],
    },
    "mysql": {
        "TEXT CHARACTER SET utf8mb4": [
            "NULL",
            "REPEAT('x', 60000)",
            "CONCAT('a', CHAR(0 USING utf8mb4), 'b')",
            *_TEXTS,
        ],
        "VARCHAR(20) CHARACTER SET latin1": ["NULL", "'\u00e9'", "''", "'a '"],
        "CHAR(5)": ["NULL", "'ab'", "''"],
        "LONGBLOB": ["NULL", "x''", "x'00ff'", "REPEAT(x'00', 100000)"],
        "BINARY(4)": ["NULL", "x'00'", "x'01000000'"],
        "JSON": ["NULL", "'123456789012345678901234567890'", *_DOCUMENTS],
        "FLOAT": ["NULL", "16777216", "1.0 / 3", "-0.0", "3.4e38"],
        "DOUBLE": ["NULL", "0.1e0 + 0.2e0", "-0.0e0", "1e308", "1e-320"],
        "DECIMAL(65,30)": ["NULL", "1.0", "12345678901234567890123456789012345.123456789012345678901234567891"],
        "BIGINT UNSIGNED": ["NULL", "18446744073709551615", "0"],
        "DATE": ["NULL", "'0000-00-00'", "'2020-02-30'", "'9999-12-31'"],
        "DATETIME(6)": ["NULL", "'0000-00-00 00:00:00'", "'2020-02-30 24:59:59'", "'1000-01-01 00:00:00.000001'"],
        "TIMESTAMP NULL": ["NULL", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"],
        "TIME(3)": ["NULL", "'838:59:59'", "'-838:59:59'", "'00:00:00.001'"],
        "YEAR": ["NULL", "0", "1901", "2155"],
        "ENUM('a', 'b', '')": ["NULL", "'a'", "''", "0"],
        "SET('a', 'b')": ["NULL", "''", "'a,b'"],
        "BIT(64)": ["NULL", "b'0'", "~0"],
    },
}
POISONS["mysql"]["JSON"] += [
    "CAST(CAST('2020-01-02' AS DATE) AS JSON)",
    "CAST(CAST('12.10' AS DECIMAL(6,2)) AS JSON)",
    "CAST(x'00ff' AS JSON)",
    "CAST(CAST('838:59:59' AS TIME) AS JSON)",
]
POISONS["mariadb"] = {
    **POISONS["mysql"],
    "JSON": ["NULL", "'123456789012345678901234567890'", *[one for one in _DOCUMENTS if one != _DEEP]],
    "UUID": ["NULL", "'00000000-0000-0000-0000-000000000000'"],
    "INET6": ["NULL", "'::1'"],
}
#: What the `nil` date takes on InnoDB: a session that is not strict.
LENIENT = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'"

#: Types whose values are tried as keys.
KEYS: dict[str, list[str]] = {
    "sqlite": ["", "TEXT", "NUMERIC"],
    "postgresql": [
        "text",
        "char(5)",
        "bytea",
        "numeric",
        "timestamp",
        "interval",
        "date",
        "uuid",
        "inet",
        "bit varying",
    ],
    "mysql": ["VARCHAR(20) CHARACTER SET latin1", "CHAR(5)", "BINARY(4)", "BIGINT UNSIGNED", "DATE", "TIME(3)", "YEAR"],
}
KEYS["mariadb"] = [*KEYS["mysql"], "UUID"]

#: Names of tables and columns.
NAMES = (
    'we"ird', "back`tick", "single'quote", "per%cent %s %(x)s", "semi; DROP TABLE canary; --", "select",
    "Sp ace", "new\nline", "\U0001f600", "\u00e9", "=1+1", "<script>", "\x1b[31mred", "../up", "co:lon :x",
    "a" * 63, "CASE", "case", "x\\y", "{brace}", "[bracket]", "?", "$1",
)  # fmt: skip

"""Values as JSON that every reader takes."""

from __future__ import annotations

from typing import Any

#: Whole numbers that every reader of JSON keeps exactly; larger ones are written as text.
EXACT = 2**53


def plain(value: Any) -> Any:
    """`value` as JSON that every reader takes: text, whole numbers up to `EXACT`, booleans, None, lists, mappings.

    Floats, larger numbers, decimals, dates and bytes become text; a lone surrogate (a byte that was no UTF-8)
    becomes its escape.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= EXACT:
        return int(value)
    if isinstance(value, dict):
        return {str(plain(str(key))): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")

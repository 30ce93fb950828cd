"""Canonical bytes, digests and chains: what makes two values the same, and an edit visible."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
GENESIS = "0" * 64


def canonical(value: Any) -> bytes:
    """Return the one JSON spelling of `value` (sorted keys, no blanks, ASCII, no floats).

    Raises `TypeError` for a float: a float has no spelling that every reader agrees on.
    """
    _refuse_floats(value)
    return _ENCODER.encode(value).encode()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"a float has no canonical form: {value!r}")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def link(previous: str, data: bytes) -> str:
    """Return the next link of a hash chain: SHA-256 over the previous link and `data`."""
    return hashlib.sha256(previous.encode() + b"\n" + data).hexdigest()

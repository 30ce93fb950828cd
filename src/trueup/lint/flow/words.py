"""The words that the flow analysis knows, and the words of an identifier."""

from __future__ import annotations

import re
from functools import cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Methods that change a dict, a list or a set in place.
MUTATORS = _words(
    """
    update setdefault pop popitem clear append extend insert remove sort reverse add discard move_to_end
    __setitem__ __delitem__ appendleft extendleft difference_update intersection_update
    symmetric_difference_update
    """
)
#: Functions that change the list they are given.
TAKES = _words(
    """
    shuffle heappush heappop heapify insort insort_left insort_right
    """
)
#: Functions that make a shallow copy.
COPIES = _words(
    """
    dict list set OrderedDict collections.OrderedDict copy.copy defaultdict sorted tuple
    """
)
#: Methods of a query or a result that give one row.
ONE = _words(
    """
    first one one_or_none get get_one scalar scalar_one scalar_one_or_none get_or_404 first_or_404
    one_or_404 fetchone get_or_abort first_or_none one_or_create earliest latest last
    """
)
#: Attribute names that every second class has: alone they say nothing about whose they are.
COMMON = _words(
    """
    data config configuration settings meta metadata extra extras options params parameters payload
    attributes attrs values items tags content context state info details properties props kwargs args
    headers json body result results fields preferences prefs labels permissions roles errors messages
    history log logs cache scores document value response request features flags variables environment env
    inputs outputs output input spec schema rules name
    """
)
#: Names that are given to a row of any kind.
ANY_ROW = _words(
    """
    obj instance row record entity model orm existing fetched
    """
)
#: Annotations of what gives many.
MANY = _words(
    """
    list List set Set Sequence Iterable Iterator Collection tuple Tuple frozenset Generator AsyncGenerator
    AsyncIterator ScalarResult Result Query Page AsyncIterable
    """
)
#: Annotations of plain values.
PLAIN = _words(
    """
    dict Dict Mapping MutableMapping list List set str int float bool bytes UUID
    """
)


@cache
def words(name: str) -> frozenset[str]:
    """The words of an identifier, in lower case, plurals made singular."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return frozenset(part.lower().removesuffix("s") if len(part) > 3 else part.lower() for part in parts)

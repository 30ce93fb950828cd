"""Follows JSON values through functions, and knows when SQLAlchemy writes them.

SQLAlchemy writes a plain JSON attribute at flush when it was *set* to something that does not equal what was loaded,
or was flagged. It keeps no copy of what was loaded: a change inside the loaded object changes both sides of that
comparison.

A module imports only from its own line and those above it:

    values, words: what an expression may stand for; the words that are known
    state, again: what is known at one point; calls that need not be followed again
    frame: a function that is followed
    context: what all parts share
    changes, names: where a change is reported; names and annotations
    objects: attributes
    containers, orm: dicts and lists; SQLAlchemy
    builtin: functions of Python
    calls: which function is called, and what it does
    evaluate: expressions and assignments
    follow: statements
    analysis: all functions of a project
"""

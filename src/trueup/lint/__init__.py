"""Finds the code that breaks data. Only the source is read: nothing of the project is imported or run.

A module imports only from its own line and those above it; no two import each other, and no rule imports a rule.

    source, results: one file, its text and its tree; what a run gives
    facts, suppress, fix: what is kept of a file; comments and baselines that silence a finding; mending
    project, cache: all files, and what a name in one of them stands for
    coltypes: what a column type holds
    columns, declared: the columns of all models; which files may declare one
    flow: follows JSON values through functions
    index: what the rules know of the project
    local, rule: what the names of one function stand for; what a rule is
    rules: one file a rule, and what several share in files that begin with an underscore
    settings: which rules to run on which files
    history, runner: what Git keeps; a run
    pages, compare, compare_report, report_text, report_json, exported, column_writers: what is reported of it
"""

"""Finds what distinguishes broken rows from healthy ones, by counts over everything that rows have."""

"""Worlds: a schema, its data and two actors made at random from one number, and a judge that sees every row of all.

`generator` makes a `World` (plain SQL, so that it can be printed and shrunk): `tables` are its tables, `breaking` is
what is wrong in them, `special` what only some have. `actors` plays the application and the migrator beside trueup,
`judge` keeps the timeline of who changed which row, `loop` takes one world through plan, apply, verify and undo,
`shrink` makes a world that broke a promise smaller and writes it down as a script.
"""

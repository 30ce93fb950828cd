"""The code that all engines share: the contract of a dialect, the model of tables, JSON, regular expressions."""

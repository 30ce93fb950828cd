"""What all engines share: the contract of a dialect, tables as the catalogue shows them, JSON, regular expressions."""

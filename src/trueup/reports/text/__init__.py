"""What a person reads in a terminal. Data never reaches it unescaped, and nothing here prints."""

"""ONE FOLDER AN ENGINE: its dialect, session, catalogue, guard and backup, and no part of an engine elsewhere."""

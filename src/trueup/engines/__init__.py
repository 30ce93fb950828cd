"""ONE FOLDER AN ENGINE: its dialect, session, catalogue, guard and backup, and nothing of it elsewhere."""

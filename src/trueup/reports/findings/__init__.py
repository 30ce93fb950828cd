"""ONE FILE A FORMAT of findings, those in data and those in code alike."""

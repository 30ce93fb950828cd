"""What the verbs found, as text, files and documents. Nothing here prints."""

"""The verbs, one file each: what the command line, Django's commands and Python call alike."""

"""The verbs, one file each, which the command line, Django's commands and Python call alike."""

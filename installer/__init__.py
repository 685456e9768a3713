"""Set-up for people: `start.py` opens the station, `test.py` runs every check. Standard library only."""

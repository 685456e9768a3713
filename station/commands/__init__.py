"""What each command does; `station.cli` only reads its arguments."""

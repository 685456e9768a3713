"""Settings: source, folders, look, computing, and what this program is."""

from station.ui.settings.page import SettingsPage

__all__ = ["SettingsPage"]

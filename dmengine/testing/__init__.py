"""Kits and stand-ins for tests of plugins."""

"""Part of dmengine."""

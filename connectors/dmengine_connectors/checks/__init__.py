"""Looks at what a run stands on before it begins: identities, rights, settings."""

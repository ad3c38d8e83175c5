"""DataMasque's rulesets, read as ours."""

from dmengine.datamasque.importing import Imported, import_datamasque

__all__ = ["Imported", "import_datamasque"]

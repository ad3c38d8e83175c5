"""The maskers that ship with dmengine; `docs/maskers` has a page for each."""

from dmengine_maskers.character_mask import CharacterMask
from dmengine_maskers.constants import Fixed, Null
from dmengine_maskers.dates import DateShift
from dmengine_maskers.email import Email
from dmengine_maskers.fpe import Fpe
from dmengine_maskers.lookup import Lookup
from dmengine_maskers.names import FirstName, LastName
from dmengine_maskers.numbers import Bucket, Number
from dmengine_maskers.redact import Redact
from dmengine_maskers.tokens import Hash

__all__ = [
    "Bucket", "CharacterMask", "DateShift", "Email", "FirstName", "Fixed", "Fpe", "Hash", "LastName", "Lookup", "Null",
    "Number", "Redact",
]  # fmt: skip

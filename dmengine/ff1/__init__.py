"""Format-preserving encryption, FF1 of NIST SP 800-38G: over columns of numbers, and of texts."""

from dmengine.ff1.columns import FF1
from dmengine.ff1.text import (
    MIN_DOMAIN,
    Spelling,
    decrypt_text,
    digits_of,
    domain_size,
    encrypt_text,
    smallest_length,
)

__all__ = [
    "FF1",
    "MIN_DOMAIN",
    "Spelling",
    "decrypt_text",
    "digits_of",
    "domain_size",
    "encrypt_text",
    "smallest_length",
]

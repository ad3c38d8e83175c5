"""The root key of a run: loading it, deriving keys from it, and never showing it."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NoReturn, SupportsIndex

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dmengine import registry
from dmengine.errors import KeyringError

MIN_BYTES, MAX_BYTES, RECOMMENDED_BYTES = 16, 64, 32

_VERSION: Final = b"dmengine/v1"
_MAKE: Final = 'python -c "import secrets; print(secrets.token_hex(32))"'
_SHOWN: Final = "<secret>"
_SCHEME: Final = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_FEW_BYTES: Final = 8
_PUBLISHED: Final = frozenset(
    map(
        bytes.fromhex,
        (
            "2b7e151628aed2a6abf7158809cf4f3c",  # NIST SP 800-38A, appendix F; RFC 4493
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f",  # NIST's samples of FF1
            "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94",
        ),
    )
)


class _StaysHere:
    """Refuses every way to be copied or written out."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise _does_not_travel()

    def __reduce__(self) -> NoReturn:
        raise _does_not_travel()

    def __getstate__(self) -> NoReturn:
        raise _does_not_travel()

    def __copy__(self) -> NoReturn:
        raise _does_not_travel()

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise _does_not_travel()


class Secret(_StaysHere, bytes):
    """Bytes that do not show themselves, so that no log or traceback with locals does it for them.

    It works wherever bytes do. What asks for its content by name (`hex`, `decode`, a buffer) gets it.

    >>> Secret(b"0123456789abcdef")
    <secret>
    >>> f"{Secret(b'0123456789abcdef')[:4]}"
    '<secret>'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return format(_SHOWN, spec)

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        found = super().__getitem__(index)
        return Secret(found) if isinstance(found, bytes) else found

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self, other) if isinstance(other, bytes) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = bytes.__hash__


class Key(_StaysHere):
    """A root key. It shows only its fingerprint, and does not pickle.

    Make one with `Key.load`; `Key.from_bytes` and `Key.generate` are for keys that live elsewhere or only today.

    >>> key = Key.from_bytes(bytes.fromhex("6f1c29a4d0835be792e14c7ab3f80d56"))
    >>> key
    Key(fingerprint='57e6588bb6ac4045')
    >>> key.derive("prf", "person.email") == key.derive("prf", "person.email")
    True
    """

    __slots__ = ("_derived", "_secret", "fingerprint", "reference")

    fingerprint: str
    """Eight bytes of a MAC by a derived key, in hex: tells keys apart, and tells nothing about the key."""
    reference: str | None
    """Where the key was loaded from, for another process to load it again."""
    _secret: Secret
    _derived: dict[tuple[str, str, int], Secret]

    def __init__(self, secret: bytes, reference: str | None = None) -> None:
        secret = Secret(secret)  # under the same name, so that this frame holds no plain bytes
        _set(self, "reference", reference)
        _set(self, "fingerprint", "")
        reason = _weakness(secret)
        if reason:
            raise KeyringError(f"the key {_from(reference)}cannot be used: it {reason}", hint=f"make one with {_MAKE}")
        _set(self, "_secret", secret)
        _set(self, "_derived", {})
        check = hmac.digest(self.derive("kcv", ""), b"dmengine-kcv-v1", "sha256")
        _set(self, "fingerprint", check[:8].hex())

    @staticmethod
    def load(reference: str) -> Key:
        """Load a key from where a reference says: `env:NAME`, `file:/path`, or a plugin's `scheme:rest`.

        Raises:
            KeyringError: there is no key there, it is too weak, or others can read it.
            PluginError: no plugin knows the scheme.
        """
        scheme, colon, rest = reference.partition(":")
        if not colon or not _SCHEME.fullmatch(scheme):
            raise KeyringError(
                "this is not a reference to a key (not shown, it may be the key itself)",
                hint='write where the key is, such as "env:DMENGINE_KEY" or "file:/run/secrets/dmengine.key"',
            )
        loader: Callable[[str], bytes] = registry.load("dmengine.keys", scheme)
        return Key(Secret(loader(rest)), reference)

    @staticmethod
    def generate() -> Key:
        """Make a random key for one run: nothing can be joined with, or resumed after, its process."""
        return Key(Secret(secrets.token_bytes(RECOMMENDED_BYTES)))

    @staticmethod
    def from_bytes(secret: bytes) -> Key:
        """Make a key of 16 to 64 random bytes that you hold; it has no reference."""
        return Key(secret)

    def derive(self, purpose: str, domain: str, size: int = 32) -> bytes:
        """Derive the key of one purpose in one domain, by HKDF-SHA256 (RFC 5869)."""
        wanted = (purpose, domain, size)
        found = self._derived.get(wanted)
        if found is None:
            info = _VERSION + _framed(purpose) + _framed(domain)
            found = Secret(HKDF(SHA256(), length=size, salt=None, info=info).derive(self._secret))
            self._derived[wanted] = found  # two threads may both get here, with equal keys
        return found

    def to_bytes(self) -> bytes:
        """Return the root secret, to hand to a worker over a private pipe."""
        return self._secret

    def __repr__(self) -> str:
        place = f", reference={self.reference!r}" if self.reference else ""
        return f"Key(fingerprint={self.fingerprint!r}{place})"

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self._secret, other._secret) if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a key does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a key does not change")


@dataclass(frozen=True, slots=True)
class KeyReference:
    """What a task carries instead of its key: it pickles, and finds the key again in another process.

    >>> key = Key.generate()
    >>> hold(key)
    >>> KeyReference.of(key).resolve() is key
    True
    """

    fingerprint: str
    reference: str | None = None

    @staticmethod
    def of(key: Key) -> KeyReference:
        """Refer to a key."""
        return KeyReference(key.fingerprint, key.reference)

    def resolve(self) -> Key:
        """Return the key held by this process, or load it.

        Raises:
            KeyringError: there is no way to it from here, or what is there now is another key.
        """
        held = _held.get(self.fingerprint)
        if held is not None:
            return held
        if self.reference is None:
            raise KeyringError(
                f"the key {self.fingerprint} is not in this process, and has no reference to load it from",
                hint='load the key with Key.load("env:..." or "file:..."), or run in local workers',
            )
        key = Key.load(self.reference)
        if key.fingerprint != self.fingerprint:
            raise KeyringError(
                f"the key at {self.reference} is not the key of this run: it has the fingerprint {key.fingerprint}, "
                f"not {self.fingerprint}",
                hint="put the key back that the run began with, or begin another run",
            )
        return key


_held: dict[str, Key] = {}


def hold(key: Key) -> None:
    """Keep a key for this process, where references to it find it. For the start of a worker."""
    _held[key.fingerprint] = key


def load_from_environment(rest: str) -> bytes:
    """Load the key in the environment variable `rest`, as hex or base64 text."""
    text = Secret(os.environb.get(os.fsencode(rest), b""))
    if not text:
        raise KeyringError(
            f"there is no key: the environment variable {_unless_key(rest)} is not set, or is empty",
            hint=f"make a key with {_MAKE}, keep it where your secrets are, and set the variable to it",
        )
    decoded = _decoded(text)
    if decoded is None:
        raise _not_a_key(f"the environment variable {rest}")
    return decoded


def load_from_file(rest: str) -> bytes:
    """Load the key in the file `rest`: hex or base64 text, or the bytes themselves."""
    path = os.path.expanduser(rest)
    content, problem = _read_private(path)
    if problem:
        raise KeyringError(f"the key file {_unless_key(rest)} cannot be used: {problem[0]}", hint=problem[1])
    return read_key(content, f"the key file {rest}")


def read_key(content: bytes, place: str) -> bytes:
    """Read a key as files and vaults hold it: hex or base64 text, or the bytes themselves. For key sources.

    >>> read_key(b"6f1c29a4d0835be792e14c7ab3f80d56", "the vault")
    <secret>

    Raises:
        KeyringError: `place` holds something else.
    """
    content = Secret(content)
    decoded = _decoded(content)
    if decoded is not None:
        return decoded
    if MIN_BYTES <= len(content) <= MAX_BYTES and not _is_text(content):
        return content
    raise _not_a_key(place)


def read_private(path: str) -> tuple[Secret, str]:
    """Return what a small file holds that only its owner can read, or why it cannot be used. For sources of secrets.

    >>> read_private("/no/such/file")
    (<secret>, 'No such file or directory')
    """
    content, problem = _read_private(path)
    return content, problem[0] if problem else ""


def _read_private(path: str) -> tuple[Secret, tuple[str, str] | None]:
    nothing = Secret()
    make = f"make one with (umask 077; {_MAKE} > the file)"
    try:
        # not blocking: a pipe with nobody at its other end must not hang the run
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        return nothing, (getattr(error, "strerror", None) or "it has no possible name", make)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            return nothing, ("it is not a regular file", make)
        if facts.st_uid not in (0, os.geteuid()):
            return nothing, ("it belongs to another user", "chown it to the user who masks")
        if facts.st_mode & 0o077:
            return nothing, (
                "others may read or change it",
                "chmod 600 the file; if others had a login, make a new key",
            )
        return Secret(os.read(handle, 4096)), None
    finally:
        os.close(handle)


def _decoded(text: Secret) -> Secret | None:
    """Read hex or base64, padded or not; None where it is neither, or is more likely a passphrase."""
    text = Secret(text.strip())
    if len(text) % 2 == 0 and len(text) >= 2 * MIN_BYTES and re.fullmatch(rb"[0-9A-Fa-f]+", text):
        return Secret(bytes.fromhex(text.decode("ascii")))
    bare = Secret(text.rstrip(b"="))
    if not _BASE64.fullmatch(text) or len(bare) % 4 == 1 or len(bare) < 22:
        return None
    if len(bare) == len(text) and not all(re.search(kind, text) for kind in (rb"[A-Z]", rb"[a-z]", rb"[^A-Za-z]")):
        return None  # nothing but words: 1 of 7,000 random keys of 32 bytes looks like that, and every passphrase
    try:
        padding = b"=" * (-len(bare) % 4)
        return Secret(base64.urlsafe_b64decode(bare.translate(bytes.maketrans(b"+/", b"-_")) + padding))
    except binascii.Error:
        return None


def _weakness(secret: Secret) -> str | None:
    if not MIN_BYTES <= len(secret) <= MAX_BYTES:
        return f"has {len(secret)} bytes, not {MIN_BYTES} to {MAX_BYTES}"
    if len(set(secret)) < _FEW_BYTES or (secret + secret).find(secret, 1) < len(secret):
        return "repeats itself"
    if len({(after - before) % 256 for before, after in pairwise(secret)}) == 1:
        return "counts up or down"
    if secret in _PUBLISHED:
        return "is a published sample key"
    if _is_text(secret):
        return "is text, not random bytes (hex and base64 text must be decoded first)"
    return None


def _is_text(content: Secret) -> bool:
    try:
        return content.decode().strip().isprintable()
    except UnicodeDecodeError:
        return False


def _not_a_key(place: str) -> KeyringError:
    return KeyringError(
        f"{place} holds neither hex nor base64 of {MIN_BYTES} to {MAX_BYTES} random bytes; a passphrase is not a key",
        hint=f"make a key with {_MAKE}",
    )


def _unless_key(rest: str) -> str:
    """Name a place, unless somebody has put the key itself where its place belongs."""
    looks_like_key = _decoded(Secret(os.fsencode(rest))) is not None
    return "(not shown, it looks like a key)" if looks_like_key else rest


def _from(reference: str | None) -> str:
    return f"from {reference} " if reference else ""


def _framed(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 0xFFFF:
        raise KeyringError("the name of a domain or purpose has more than 65,535 bytes", hint="give it a shorter name")
    return len(encoded).to_bytes(2, "big") + encoded


def _does_not_travel() -> KeyringError:
    return KeyringError(
        "keys are neither copied nor pickled, so that they end up in no file", hint="send KeyReference.of(key) instead"
    )


_set = object.__setattr__

"""What an object of a bucket has beside its bytes, carried over from the source to the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlencode

from dmengine.errors import InputError, PlanError
from dmengine.spi import Finding
from dmengine_connectors.stores.s3_calls import Calls, RefusedError

Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]
Beside = Literal["keep", "drop", "fail"]
"""What happens to an object's metadata, or to its tags."""

_HEADERS: Final = (
    "ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires",
    "WebsiteRedirectLocation",
)  # fmt: skip
_ENCRYPTION: Final = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
_FIXED_CLASSES: Final = ("OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP")
"""Storage classes that belong to a place: no object elsewhere can be of them."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Metadata, headers, tags and settings of one object, in the words of CreateMultipartUpload.

    Attributes:
        headers: Content type, cache control and the like, and the storage class.
        metadata: The user's own (`x-amz-meta-...`).
        tags: The user's tags.
        encryption: How the object is encrypted where it lies.
    """

    headers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    encryption: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the target wants of it.

    Attributes:
        encryption: The encryption of new objects; None: the bucket's default, or in place the object's own.
        kms_key: The KMS key to encrypt with.
        storage_class: The storage class of new objects; None: that of the original.

    Raises:
        PlanError: a KMS key is asked for, and an encryption that uses none.
    """

    encryption: Encryption | None = None
    kms_key: str | None = None
    storage_class: str | None = None

    def __post_init__(self) -> None:
        if self.kms_key and self.encryption == "AES256":
            raise PlanError(
                'encryption="AES256" is by S3\'s own keys, and kms_key= is given too',
                hint='leave out one of them, or say encryption="aws:kms" or "aws:kms:dsse"',
            )


def read_attributes(
    calls: Calls, key: str, answer: Mapping[str, Any], *, metadata: Beside, tags: Beside
) -> tuple[Attributes, tuple[Finding, ...]]:
    """Take the attributes of an object out of S3's answer, and ask for its tags if it has any.

    Raises:
        InputError: there is metadata, or there are tags, and that is refused.
    """
    headers = {name: answer[name] for name in _HEADERS if answer.get(name)}
    if (kind := answer.get("StorageClass", "STANDARD")) not in ("STANDARD", *_FIXED_CLASSES):
        headers["StorageClass"] = kind
    findings = []
    kept = dict(answer.get("Metadata", {}))
    if kept:
        findings.append(_decided("metadata", metadata, sorted(kept)))
    if tags != "keep" and (count := answer.get("TagCount")):
        findings.append(_decided("tags", tags, [f"{count} in number"]))
    found: dict[str, str] = {}
    if tags == "keep" and answer.get("TagCount"):
        try:
            listed = calls("get_object_tagging", Key=key)["TagSet"]
            found = {tag["Key"]: tag["Value"] for tag in listed}
            findings.append(_decided("tags", tags, sorted(found)))
        except RefusedError as error:
            findings.append(tags_stay("from", calls, error, "s3:GetObjectTagging"))
    encryption = {name: answer[name] for name in _ENCRYPTION if answer.get(name) is not None}
    if encryption.get("ServerSideEncryption") == "aws:kms":
        encryption.setdefault("BucketKeyEnabled", False)  # S3 tells only of a bucket key that is used
    return Attributes(headers, kept if metadata == "keep" else {}, found, encryption), tuple(findings)


def tags_stay(direction: Literal["from", "to"], calls: Calls, error: RefusedError, right: str) -> Finding:
    """Return what is said where tags could not be read, or may not be written: the same for all objects of a bucket."""
    message = f"tags are not carried over {direction} {calls.url('')} ({right}: {error.code})"
    return Finding("warning", message, hint=f'{error.hint}; or set tags="drop"')


def _decided(what: Literal["metadata", "tags"], policy: Beside, names: list[str]) -> Finding:
    """Report what becomes of metadata or tags that are there.

    Raises:
        InputError: they are refused.
    """
    if policy == "fail":
        message = f"the object has {what}, which are refused: {', '.join(names)}"
        raise InputError(message, hint=f'set {what}="drop" to leave them behind, or "keep" if they hold nobody\'s data')
    if policy == "drop":
        return Finding("info", f"{what} left behind: {', '.join(names)}")
    message = f"{what} kept as they are: {', '.join(names)}"
    return Finding("warning", message, hint=f'set {what}="drop" if they may hold people\'s data')


def creation(attributes: Attributes, wanted: Wanted, *, in_place: bool) -> dict[str, Any]:
    """Return the parameters that give a new object these attributes.

    >>> creation(Attributes({"ContentType": "text/csv"}, tags={"team": "a b"}), Wanted(), in_place=False)
    {'ContentType': 'text/csv', 'Tagging': 'team=a+b'}
    """
    parameters = dict(attributes.headers)
    if attributes.metadata:
        parameters["Metadata"] = dict(attributes.metadata)
    if attributes.tags:
        parameters["Tagging"] = urlencode(attributes.tags)
    if wanted.storage_class:
        parameters["StorageClass"] = wanted.storage_class
    if wanted.encryption or wanted.kms_key:
        parameters["ServerSideEncryption"] = wanted.encryption or "aws:kms"
        if wanted.kms_key:
            parameters["SSEKMSKeyId"] = wanted.kms_key
    elif in_place:
        parameters |= attributes.encryption
    return parameters

"""What AWS answers when it refuses, in our words: code, call and request id, a remedy, and never AWS's own message."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

from dmengine.errors import DmengineError, StoreError

T = TypeVar("T")
Kind = Literal[
    "denied", "expired", "keys", "clock", "throttled", "busy", "missing", "changed", "archived", "kms",
    "credentials", "region", "unreachable", "request", "other",
]  # fmt: skip


class AwsError(StoreError):
    """AWS refused or failed: says in what way, for code that can go on without.

    Attributes:
        kind: What kind of trouble it is (`kind_of`).
        code: AWS's code for it.
        action: The right that is missing, where AWS names it: "kms:Decrypt".
        denier: Which policy it is that does not allow it, where AWS says so: "identity-based", "resource-based".
        forbids: Which policy it is that forbids it outright, where AWS says so.
        key: The KMS key that may not be used, where AWS names it.
        region: Where the bucket is, where S3 says so.
        date: When, by AWS's clock.
    """

    kind: Kind = "other"
    code: str = ""
    action: str = ""
    denier: str = ""
    forbids: str = ""
    key: str = ""
    region: str = ""
    date: str = ""


# The codes of all services that are asked: S3 and STS, DynamoDB, KMS, Secrets Manager and Logs, and of any HEAD, which
# is a bare status: a 503 is how S3 says SlowDown there.
_CODES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "denied": "AccessDenied AccessDeniedException AllAccessDisabled AccountProblem NotSignedUp 403 Forbidden "
        "UnauthorizedOperation",
        "expired": "ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired",
        "keys": "InvalidAccessKeyId InvalidToken InvalidClientTokenId UnrecognizedClientException "
        "MissingAuthenticationToken MissingAuthenticationTokenException InvalidSecurity 401",
        "clock": "RequestTimeTooSkewed SignatureDoesNotMatch InvalidSignatureException RequestInTheFuture",
        "throttled": "SlowDown Throttling ThrottlingException ThrottledException RequestThrottled TooManyRequests "
        "RequestThrottledException TooManyRequestsException ProvisionedThroughputExceededException "
        "RequestLimitExceeded BandwidthLimitExceeded LimitExceededException PriorRequestNotComplete 429 503",
        "busy": "InternalError InternalFailure InternalServerError InternalServiceError ServiceUnavailable "
        "RequestTimeout RequestTimeoutException ServiceFailure ServiceUnavailableException "
        "TransactionInProgressException OperationAborted KMSInternalException DependencyTimeoutException 500 "
        "502 504",
        "missing": "NoSuchBucket NoSuchKey NoSuchVersion NoSuchUpload ResourceNotFoundException NotFoundException "
        "NotFound NoSuchEntity TableNotFoundException 404",
        "changed": "PreconditionFailed ConditionalRequestConflict NotModified 304 409 412",
        "archived": "InvalidObjectState",
        "kms": "KMS.DisabledException KMS.NotFoundException KMS.InvalidStateException KMS.KMSInvalidStateException "
        "DisabledException KMSInvalidStateException InvalidKeyUsageException IncorrectKeyException "
        "InvalidCiphertextException KeyUnavailableException DecryptionFailure",
        "region": "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException "
        "RegionDisabledException 301 307",
    }
)

# botocore's own exceptions, by the name of their class.
_FAILURES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "credentials": "NoCredentialsError PartialCredentialsError CredentialRetrievalError ProfileNotFound "
        "InvalidConfigError MetadataRetrievalError InfiniteLoopConfigError UnknownCredentialError ConfigParseError "
        "ConfigNotFound RefreshWithMFAUnsupportedError NoAuthTokenError",
        "expired": "SSOTokenLoadError UnauthorizedSSOTokenError TokenRetrievalError SSOError LoginRefreshRequired",
        "region": "NoRegionError InvalidRegionError UnknownRegionError EndpointVariantError UnknownEndpointError",
        "unreachable": "EndpointConnectionError ConnectTimeoutError ConnectionClosedError ReadTimeoutError SSLError "
        "ProxyConnectionError HTTPClientError ConnectionError ResponseStreamingError IncompleteReadError "
        "InvalidProxiesConfigError",
        "request": "ParamValidationError ValidationError InvalidEndpointDiscoveryConfigurationError "
        "EndpointResolutionError InvalidS3AddressingStyleError",
    }
)


def _kinds(words: Mapping[Kind, str]) -> Mapping[str, Kind]:
    return MappingProxyType({word: kind for kind, several in words.items() for word in several.split()})


_KINDS: Final = _kinds(_CODES)
_FAILURE_KINDS: Final = _kinds(_FAILURES)

_REMEDIES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "denied": "allow {call} in the policy of the role (and in that of the bucket or key, across accounts); "
        "a missing object is also answered so where listing is not allowed",
        "expired": "log in again (aws sso login), or run where credentials renew themselves: a role, not copied keys",
        "keys": "the access key is not known there: check the profile or the environment, and the region and partition",
        "clock": "set this machine's clock (NTP); if it is right, the secret key is not the one of the access key",
        "throttled": "use fewer workers, or run again later; all retries were throttled too",
        "busy": "run again later; all retries failed too",
        "missing": "check the name, the account and the region",
        "changed": "something else wrote there meanwhile: find out what, then run again",
        "archived": "restore the object from its archive first, or exclude it",
        "kms": "check that the KMS key exists, is enabled, is in this region, and is the one that was encrypted with",
        "credentials": "set AWS_PROFILE or the AWS_ variables, run where a role gives credentials, or name a profile: "
        'SessionFactory(profile="..."), in a job file profile: ...',
        "region": 'set AWS_DEFAULT_REGION to the right region, or name it: SessionFactory(region="..."), in a job file '
        "region: ..., after a key's reference ?region=...",
        "unreachable": "check network, proxy, endpoint and region; all retries failed too",
        "request": "the request cannot be sent as it is; please report it with the two names above",
        "other": "look the code up in the service's documentation of errors",
    }
)
_CODE: Final = re.compile(r"[A-Za-z0-9_.:#-]{1,80}")
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]{1,200}")
_PROFILE: Final = re.compile(r"[\w.@+=,-]{1,64}", re.ASCII)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_ACTION: Final = re.compile(r"not authorized to perform: ([a-z0-9-]{2,20}:[A-Za-z]{3,60})\b")
_POLICY: Final = "(identity-based|resource-based|session|permissions boundary|service control|resource control)"
_LACKS: Final = re.compile(rf"because no {_POLICY} policy allows")
_FORBIDS: Final = re.compile(rf"with an explicit deny in an? {_POLICY}")
_KEY: Final = re.compile(r"on resource: (arn:aws[a-z-]*:kms:[a-z0-9-]{1,40}:\d{12}:key/[A-Za-z0-9-]{1,64})\b", re.ASCII)
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")


def named(error: Exception, *, call: str, what: str, hint: str = "") -> DmengineError:
    """Turn what boto3 raised into an error of ours; one that is ours already is returned as it is.

    Raise it outside the `except` block: botocore's message can hold a value, and would stay in the chain.

    Args:
        error: Any exception of botocore's.
        call: The operation, as IAM and CloudTrail name it: `GetObject`.
        what: What failed, as the beginning of a sentence: `cannot read s3://bucket/key`.
        hint: A better remedy than the general one.

    >>> from botocore.exceptions import ClientError
    >>> refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "..."}}, "GetObject")
    >>> print(named(refused, call="GetObject", what="cannot read s3://b/k").message)
    cannot read s3://b/k: AccessDenied (GetObject)
    """
    if isinstance(error, DmengineError):
        return error
    request = request_id(error)
    details = call + (f", request {request}" if request else "") + _about(error)
    remedy = hint or _REMEDIES[kind_of(error)].format(call=call)
    made = AwsError(f"{what}: {code_of(error)} ({details})", hint=remedy)
    made.kind, made.code = kind_of(error), code_of(error)
    made.action, made.denier, made.forbids = denied(error)
    made.key, made.region = key_of(error), region_of(error)
    return made


def reported(work: Callable[[], T], *, call: str, what: str, hint: str = "") -> T:
    """Do `work`, and raise what botocore raises as an error of ours, with no trace of its message.

    >>> reported(lambda: 42, call="GetObject", what="cannot read s3://b/k")
    42
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return work()
    except (BotoCoreError, ClientError) as error:
        problem = named(error, call=call, what=what, hint=hint)
    raise problem


def code_of(error: Exception) -> str:
    """Return the service's error code (`404` and the like for HEAD), or the name of the exception.

    >>> code_of(ValueError("a secret"))
    'ValueError'
    """
    code = _answer(error, "Error").get("Code")
    if code is None:
        return type(error).__name__
    # DynamoDB's are prefixed with a namespace; anything else that is no code may be somebody's text
    bare = str(code).rpartition("#")[2]
    return bare if _CODE.fullmatch(bare) else "an unreadable error code"


def denied(error: Exception) -> tuple[str, str, str]:
    """Return the right that is missing, the kind of policy that lacks it, and the kind that forbids it, as AWS says.

    Nothing else is taken from its message, which may hold anything.

    >>> from botocore.exceptions import ClientError
    >>> message = "User: x is not authorized to perform: kms:Decrypt on y because no resource-based policy allows it"
    >>> denied(ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, "GetObject"))
    ('kms:Decrypt', 'resource-based', '')
    """
    message = str(_answer(error, "Error").get("Message") or "")
    action, lacks, forbids = (form.search(message) for form in (_ACTION, _LACKS, _FORBIDS))
    return action[1] if action else "", lacks[1] if lacks else "", forbids[1] if forbids else ""


def key_of(error: Exception) -> str:
    """Return the ARN of the KMS key that AWS says may not be used, or nothing."""
    found = _KEY.search(str(_answer(error, "Error").get("Message") or ""))
    return found[1] if found else ""


def region_of(error: Exception) -> str:
    """Return the region that S3 says a bucket is in, or nothing."""
    headers = _answer(error, "ResponseMetadata").get("HTTPHeaders")
    found = str(headers.get("x-amz-bucket-region", "")) if isinstance(headers, Mapping) else ""
    return found if _REGION.fullmatch(found) else ""


def request_id(error: Exception) -> str:
    """Return the id by which AWS Support finds the request, or nothing."""
    found = str(_answer(error, "ResponseMetadata").get("RequestId") or "")
    return found if _REQUEST_ID.fullmatch(found) else ""


def status_of(error: Exception) -> int | None:
    """Return the HTTP status of an answer that was an error."""
    found = _answer(error, "ResponseMetadata").get("HTTPStatusCode")
    return found if isinstance(found, int) else None


def kind_of(error: Exception) -> Kind:
    """Say what kind of trouble it is, whichever service calls it what.

    >>> from botocore.exceptions import ClientError
    >>> kind_of(ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject"))
    'missing'
    """
    if _answer(error, "Error"):
        known = _KINDS.get(code_of(error))
        if known is None and status_of(error) in (500, 502, 503, 504):
            return "busy"
        return known or "other"
    names = [kind.__name__ for kind in type(error).__mro__]
    return next((_FAILURE_KINDS[name] for name in names if name in _FAILURE_KINDS), "other")


def is_expired(error: Exception) -> bool:
    """Say whether newer credentials may cure it. A HEAD has no body to say so in: S3 answers it with a bare 400."""
    head = str(getattr(error, "operation_name", "")).startswith("Head")
    return bool(_answer(error, "Error")) and (kind_of(error) == "expired" or (head and code_of(error) == "400"))


def _about(error: Exception) -> str:
    """Return which profile there is not, or who did not answer; a URL may hold more than its host, and is not shown."""
    facts = getattr(error, "kwargs", {})
    profile, where = facts.get("profile"), facts.get("endpoint_url")
    if isinstance(profile, str) and _PROFILE.fullmatch(profile):
        return f", profile {profile}"
    try:
        host = urlsplit(where).netloc if isinstance(where, str) else ""
    except ValueError:
        return ""
    return f", at {host}" if _HOST.fullmatch(host) else ""


def _answer(error: Exception, part: str) -> Mapping[str, object]:
    response = getattr(error, "response", None)
    found = response.get(part) if isinstance(response, Mapping) else None
    return found if isinstance(found, Mapping) else {}

"""Credentials that renew themselves: one link of a chain of roles, and the base it hangs from."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final, NoReturn, Protocol, TypeVar

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from dmengine.errors import DmengineError, PlanError, RunError, StoreError
from dmengine_connectors.aws_errors import code_of, denied, is_expired, kind_of, named, reported
from dmengine_connectors.session_retries import PATIENT, Patience
from dmengine_connectors.session_roles import LONGEST_CHAINED, Role

T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds since 1970: what sessions are measured by."""

# botocore renews 15 and 10 minutes before the end, whatever the length: a session of 15 minutes would be renewed at
# every request. Longer sessions keep botocore's windows, shorter ones get a share of their length.
_EARLY: Final = (900, 4)
_LATE: Final = (600, 6)
_PARTS: Final = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
_PAUSE_SHARE: Final = 10  # after an early renewal that failed, a tenth of the window passes before the next


class Caller(Protocol):
    """Who assumes the next role: the chain so far."""

    def call(self, function: Callable[..., Any], /, **parameters: Any) -> Any:
        """Call AWS; once more with newer credentials if it says that they are expired."""
        ...

    def client(self, service: str) -> Any:
        """Return a client that signs with the credentials of the chain so far."""
        ...

    @property
    def principal(self) -> str:
        """Who that is, as far as it can be known without asking."""
        ...

    def kind(self) -> str:
        """Return how those credentials came to be, as botocore names it; nothing where nobody knows."""
        ...


class Lease:
    """Keys for a while. It does not show them."""

    __slots__ = ("keys", "renew_early", "renew_late")

    def __init__(self, keys: ReadOnlyCredentials, now: float, until: float) -> None:
        length = max(until - now, 0)
        self.keys = keys
        self.renew_early = until - min(_EARLY[0], length / _EARLY[1])
        self.renew_late = until - min(_LATE[0], length / _LATE[1])

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys of a session do not pickle; a session factory does, without them")


class SelfRenewing(ABC, Credentials):
    """What botocore needs of credentials, all of it asked of `get_frozen_credentials` at each signing."""

    method = "dmengine"

    def __init__(self) -> None:
        self._lock = Lock()

    @abstractmethod
    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return keys that are good for now, after renewing them where that is due."""

    @abstractmethod
    def held(self) -> object | None:
        """Return what would be used now, for `drop` to compare with; renews nothing."""

    @abstractmethod
    def drop(self, held: object | None) -> None:
        """Forget the credentials, unless somebody has renewed them since they were `held`."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials do not pickle; a session factory does, without them")

    # botocore's class has plain attributes of these names
    access_key = property(lambda self: self.get_frozen_credentials().access_key)
    secret_key = property(lambda self: self.get_frozen_credentials().secret_key)
    token = property(lambda self: self.get_frozen_credentials().token)


class BaseCredentials(SelfRenewing):
    """The first link: whatever botocore finds in a profile, the environment or the machine, found when first used.

    It is looked up again when AWS calls it expired: tools that rotate keys do so in the file or in a process.
    """

    def __init__(self, find: Callable[[Patience], Credentials | None], patience: Patience = PATIENT) -> None:
        super().__init__()
        self._find = find
        self._patience = patience
        self._found: Credentials | None = None

    def lent(self, patience: Patience) -> BaseCredentials:
        """Return the same beginning, with what was found already, for who has another patience to find the rest."""
        other = BaseCredentials(self._find, patience)
        other._found = self._found
        return other

    @property
    def account_id(self) -> str | None:
        """The account, where the source of the credentials tells it."""
        return getattr(self._found, "account_id", None)

    def kind(self) -> str:
        """Return where they come from, as botocore names it: "env", "iam-role", "assume-role" and others."""
        return str(self._looked_up().method)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the keys, renewed by botocore where their source can."""
        return _begun(lambda: self._frozen(self._looked_up()))

    def _frozen(self, found: Credentials) -> ReadOnlyCredentials:
        """Return the keys; a profile's role may be assumed with others that have ended, which are looked up anew."""
        try:
            return found.get_frozen_credentials()
        except ClientError as error:
            if not is_expired(error):
                raise
        self.drop(found)
        return self._looked_up().get_frozen_credentials()

    def _looked_up(self) -> Credentials:
        with self._lock:
            if self._found is None:
                self._found = _begun(lambda: self._find(self._patience))
            found = self._found
        if found is None:
            raise named(NoCredentialsError(), call="credentials", what=_BEGINNING)
        return found

    def held(self) -> object | None:
        """Return the credentials found."""
        return self._found

    def drop(self, held: object | None) -> None:
        """Look them up again at the next use."""
        with self._lock:
            if self._found is held:
                self._found = None


class HopCredentials(SelfRenewing):
    """One assumed role: nothing is asked before the first use, and then once a session, however many threads."""

    def __init__(self, role: Role, hop: str, caller: Caller, clock: Clock) -> None:
        super().__init__()
        self.account_id = role.account
        self._role = role
        self._hop = hop
        self._caller = caller
        self._clock = clock
        self._lease: Lease | None = None
        self._tries = 0
        self._problem: DmengineError | None = None

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return keys with some time left; near their end one thread renews them and the others go on."""
        lease, seen = self._lease, self._tries
        now = self._clock()
        if lease is None or now >= lease.renew_late:
            return self._waited(seen).keys
        if now >= lease.renew_early and self._lock.acquire(blocking=False):
            try:
                lease = self._renewed_early(lease, now)
            finally:
                self._lock.release()
        return lease.keys

    def held(self) -> object | None:
        """Return the lease."""
        return self._lease

    def lent(self, caller: Caller) -> HopCredentials:
        """Return the same hop for another caller, with what is left of the lease."""
        other = HopCredentials(self._role, self._hop, caller, self._clock)
        other._lease = self._lease
        return other

    def drop(self, held: object | None) -> None:
        """Assume the role anew at the next use."""
        with self._lock:
            if self._lease is held:
                self._lease = None

    def _waited(self, seen: int) -> Lease:
        """Renew, or take what another thread got meanwhile: its lease, or its refusal."""
        with self._lock:
            lease = self._lease
            if lease is not None and self._clock() < lease.renew_late:
                return lease
            if self._problem is not None and self._tries != seen:
                raise copy.copy(self._problem)
            return self._renewed()

    def _renewed_early(self, lease: Lease, now: float) -> Lease:
        if self._lease is not lease:
            return self._lease or lease
        try:
            return self._renewed()
        except DmengineError:
            # the lease still has time: only when that has run out does the trouble become an error
            lease.renew_early = now + max(lease.renew_late - now, 0) / _PAUSE_SHARE
            return lease

    def _renewed(self) -> Lease:
        now = self._clock()
        self._problem = None
        try:
            lease = _lease(self._assume(), now, self._role)
            if lease is None:  # raised here, where no local name holds what was answered
                raise RunError(
                    f"{self._hop} asked for {self._role.arn}, and was given another identity",
                    hint="check the endpoint: it does not answer as AWS does",
                )
            self._lease = lease
        except DmengineError as error:
            self._problem = copy.copy(error)
            raise
        finally:
            self._tries += 1
        return lease

    def _assume(self) -> Mapping[str, Any]:
        if self._role.duration > LONGEST_CHAINED:
            check_beginning(self._hop, self._role, self._caller.kind())
        try:
            sts = self._caller.client("sts")
            answer: Mapping[str, Any] = self._caller.call(sts.assume_role, **self._role.request())
            return answer
        except (BotoCoreError, ClientError) as error:
            what = f"{self._hop} cannot assume {self._role.arn}"
            problem = named(error, call="AssumeRole", what=what, hint=self._remedy(error))
        raise problem

    def _remedy(self, problem: Exception) -> str:
        if kind_of(problem) == "denied":
            return trust_remedy(self._role, self._caller.principal, denied(problem)[1])
        remedy = _REMEDIES.get(code_of(problem), "")
        if code_of(problem) == "ValidationError" and self._role.duration > LONGEST_CHAINED:
            remedy += f". This chain begins with {_KINDS.get(kind := self._caller.kind(), kind or 'a session given')}"
        return remedy


_KINDS: Final[Mapping[str, str]] = {
    "env": "keys of the environment",
    "shared-credentials-file": "keys of a profile",
    "config-file": "keys of a profile",
    "custom-process": "keys that a profile's process gives",
    "assume-role": "the role of a profile",
    "assume-role-with-web-identity": "the role of a web identity",
    "container-role": "the role of a container or pod",
    "iam-role": "the role of an EC2 instance",
    "sso": "the role of a login",
    "login": "the role of a login",
}
_ASSUMED: Final = ("assume-role", "assume-role-with-web-identity")
# "Using the credentials for one role to assume a different role": IAM user guide, methods to assume a role. The guide
# counts neither users nor instances among them; of containers and logins it does not say, so STS is asked.


def check_beginning(hop: str, role: Role, kind: str) -> None:
    """Refuse a long session of the first role, where the identity that assumes it is itself a role that was assumed.

    >>> role = Role("arn:aws:iam::222222222222:role/Reader", duration=7200)
    >>> check_beginning("hop 1", role, "iam-role")
    >>> check_beginning("hop 1", role, "assume-role")
    Traceback (most recent call last):
    dmengine.errors.PlanError: hop 1 cannot assume ... for 7,200 seconds: the chain begins with the role of a profile
      To fix: leave duration= at 3,600: AWS gives no more where ...

    Raises:
        PlanError: AWS gives an hour at most there.
    """
    if kind in _ASSUMED:
        raise PlanError(
            f"{hop} cannot assume {role.arn} for {role.duration:,} seconds: the chain begins with {_KINDS[kind]}",
            hint=f"leave duration= at {LONGEST_CHAINED:,}: AWS gives no more where one role assumes another; dmengine "
            "renews the sessions while a run lasts",
        )


_BEGINNING: Final = "cannot get the credentials to begin with"


def _begun(work: Callable[[], T]) -> T:
    """Do `work`, and let out nothing but an error of ours.

    A profile's process that prints no JSON ends in an error that holds all it printed: keys, perhaps.
    """
    problem: DmengineError
    try:
        return reported(work, call="credentials", what=_BEGINNING)
    except DmengineError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is
        hint = "check the profile, and the process that it names: `aws sts get-caller-identity` must work"
        problem = StoreError(f"{_BEGINNING}: {type(error).__name__}", hint=hint)
    raise problem


_REMEDIES: Final[Mapping[str, str]] = {
    "ValidationError": "check duration= against the role's maximum session duration, and against 3,600 seconds, which "
    "is all that AWS gives where one role assumes another (also on EKS, where the first identity is a role)",
    "MalformedPolicyDocument": "session_policy= is not a valid IAM policy",
    "PackedPolicyTooLarge": "make session_policy= and tags= smaller",
    "RegionDisabledException": "enable STS for the region in that account, or use another region=",
}


def trust_remedy(role: Role, caller: str, denier: str = "") -> str:
    """Say what the caller's policy and the role's trust policy must allow; only one of them where AWS says which."""
    actions = ["sts:AssumeRole"]
    actions += ["sts:TagSession"] if role.tags else []
    actions += ["sts:SetSourceIdentity"] if role.source_identity else []
    outside = (
        "its condition on sts:ExternalId must accept the external_id= given"
        if role.external_id
        else "if it has a condition on sts:ExternalId, give external_id="
    )
    told = ", ".join(actions)
    if denier == "identity-based":
        return f"the policy of {caller} must allow {told} on {role.arn}: AWS says that it is this one that does not"
    trust = f"must name {caller} as Principal for {told}; {outside}"
    if denier == "resource-based":
        told = f"the trust policy of {role.arn} {trust} (AWS says that it is this policy that does not allow it)"
    else:
        told = f"the policy of {caller} must allow {told} on {role.arn}, and the trust policy of that role {trust}"
    given = "the role's ARN or the external id" if role.external_id else "the role's ARN"
    return f"{told}; or correct {given} here, if it is not what was agreed on"


def _lease(answer: Mapping[str, Any], now: float, role: Role) -> Lease | None:
    """Take the keys out of the answer, if it is of the role that was asked for."""
    who = str(answer.get("AssumedRoleUser", {}).get("Arn", ""))
    given = answer.get("Credentials", {})
    if f"::{role.account}:assumed-role/{role.name}/" not in who or not given.keys() >= _PARTS:
        return None
    # Where our clock is slow, the end seems further off than it is; where it is fast, past. No session outlives what
    # was asked for.
    left = given["Expiration"].timestamp() - now
    length = min(left, role.duration) if left > 0 else role.duration
    keys = ReadOnlyCredentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], role.account)
    return Lease(keys, now, now + length)

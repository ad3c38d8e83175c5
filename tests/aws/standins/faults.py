"""What goes wrong between a client and AWS, chosen by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fnmatch import fnmatchcase
from threading import Event
from typing import Literal, get_args

from tests.aws.standins.calls import Call

Kind = Literal[
    "slow_down",  # 503 SlowDown of S3, Throttling of the other services; not applied
    "internal",  # 500 InternalError; not applied
    "reset_before",  # the connection is reset; not applied
    "reset_after",  # the connection is reset; applied, and the reply is lost
    "cut",  # applied, and less of the answer's body comes than its Content-Length says
    "cut_unsized",  # no Content-Length, and a part of the body, as if it were all
    "flipped",  # one bit of the body is another
    "slow",  # the body comes in pieces, with pauses
    "skewed",  # 403 RequestTimeTooSkewed; not applied
    "expired",  # the session ends now, so ExpiredToken; not applied
    "denied",  # 403 AccessDenied; not applied
    "error_200",  # 200, and an error in the body; not applied
    "empty_200",  # 200, and no body; not applied
    "empty_200_applied",  # 200, and no body; applied
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_BODIES = ("cut_unsized", "flipped", "slow")
_TRANSIENT: tuple[Kind, ...] = (
    "slow_down", "internal", "reset_before", "reset_after", "cut", "error_200", "empty_200", "empty_200_applied",
)  # fmt: skip
_ANSWERED = ("CreateMultipartUpload", "CompleteMultipartUpload", "AssumeRole", "GetCallerIdentity")
_LISTINGS = ("ListObjectsV2", "ListMultipartUploads", "ListObjectVersions")


@dataclass(frozen=True, slots=True)
class Fault:
    """Which calls go wrong: kinds to choose from, the operations (globs), and the share of their calls.

    Attributes:
        times: No more calls of one operation than that, counted from its first; None: no end.
        pause: Seconds between the pieces of a slow body.
    """

    kinds: tuple[Kind, ...]
    operations: tuple[str, ...] = ("*",)
    share: float = 1.0
    keys: str = "*"
    times: int | None = None
    pause: float = 0.05

    @staticmethod
    def storm(share: float, kinds: tuple[Kind, ...] = _TRANSIENT) -> Fault:
        """Return a fault of every kind that a retry can cure, for a share of all calls."""
        return Fault(kinds, share=share)

    @staticmethod
    def tempest(share: float) -> tuple[Fault, ...]:
        """Return such a storm in which the clock is also off at times, and sessions end before their time.

        The answer to a HEAD cannot say that the clock is off, and nobody can renew the keys that a chain begins with.
        """
        odd = share / 10
        return (
            Fault(("skewed",), ("[!H]*",), share=odd), Fault(("expired",), ("[!A]*",), share=odd),
            Fault.storm((share - 2 * odd) / (1 - 2 * odd)),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one call, with the random numbers to do it with."""

    kind: Kind
    chance: random.Random
    pause: float


class Fates:
    """Decides the fate of each call by the seed, the operation and how many of that operation there were."""

    def __init__(self, seed: int | str, *faults: Fault) -> None:
        self._seed = seed
        self._faults = faults
        self.met: dict[str, int] = {}

    def fate(self, call: Call, nth: int) -> Fate | None:
        """Return the fate of the nth call (from 1) of an operation; None: all goes well."""
        for number, fault in enumerate(self._faults):
            kinds = [kind for kind in fault.kinds if fits(kind, call)]
            if not kinds or not _meant(fault, call) or (fault.times is not None and nth > fault.times):
                continue
            chance = random.Random(f"{self._seed}/{number}/{call.operation}/{nth}")
            if chance.random() < fault.share:
                kind = chance.choice(kinds)
                self.met[kind] = self.met.get(kind, 0) + 1
                return Fate(kind, chance, fault.pause)
        return None


def fits(kind: Kind, call: Call) -> bool:
    """Say whether a call can go wrong in that way."""
    if kind in _BODIES:
        return call.operation == "GetObject"
    if kind == "cut":
        return call.method == "GET" or call.operation in _ANSWERED
    if kind == "empty_200":
        return call.operation in (*_LISTINGS, *_ANSWERED)
    if kind == "empty_200_applied":
        return call.operation in _ANSWERED[:2]
    if kind == "error_200":
        return call.operation in ("CompleteMultipartUpload", "CopyObject", "UploadPartCopy")
    return True


def _meant(fault: Fault, call: Call) -> bool:
    return fnmatchcase(call.key, fault.keys) and any(fnmatchcase(call.operation, glob) for glob in fault.operations)


class Kill:
    """Kill -9 of the client at its nth request: before it is applied, or after it, with the reply lost."""

    def __init__(self, at: int, when: Literal["before", "after"]) -> None:
        self.at = at
        self.when = when
        self.sprung = False
        self._aimed = Event()
        self._victim = 0

    def aim(self, pid: int) -> None:
        """Say which process is to be killed; the fatal request waits for it."""
        self._victim = pid
        self._aimed.set()

    def victim(self) -> int:
        """Return the process to kill."""
        assert self._aimed.wait(30), "a kill was not aimed at any process"
        return self._victim

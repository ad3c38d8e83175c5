"""Where parts run: threads, local processes, or any executor that the user brings."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from queue import Queue
from threading import Condition, Event, Thread
from typing import Any, Literal, TypeVar

from dmengine.errors import PlanError, RunError
from dmengine.keyring import Key, hold

ExecutorChoice = Literal["threads", "processes"] | Executor
T = TypeVar("T")
R = TypeVar("R")
_END = object()


def default_workers() -> int:
    """Return how many parts run at once when nobody says: the processors this process may use, 8 at most."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


@contextmanager
def part_executor(choice: ExecutorChoice, workers: int, key: Key) -> Iterator[Executor]:
    """Open the executor that parts run in. An executor that the user brought stays open.

    Local processes are spawned and get the key over an inherited pipe, as raw bytes: it is in no pickle,
    no argument and no environment. An executor of the user's gets a reference to the key, and no bytes.

    Raises:
        PlanError: the user's executor may run elsewhere, and the key has no reference to load it by.
    """
    if isinstance(choice, Executor):
        if not isinstance(choice, ThreadPoolExecutor) and key.reference is None:
            raise PlanError(
                "this executor may run in other processes, and the key was made in this one",
                hint='load the key by reference, as in Key.load("env:NAME"), so that each worker can load it too',
            )
        hold(key)
        yield choice
    elif choice == "threads":
        hold(key)
        with ThreadPoolExecutor(workers, thread_name_prefix="dmengine") as pool:
            yield pool
    elif choice == "processes":
        with _process_pool(workers, key) as pool:
            yield pool
    else:
        raise PlanError(f"executor={choice!r} is not known", hint='use "threads", "processes" or an Executor')


@contextmanager
def _process_pool(workers: int, key: Key) -> Iterator[Executor]:
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    for _ in range(workers):
        writer.send_bytes(key.to_bytes())
    try:
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=_receive_key, initargs=(reader, context.Lock())
        ) as pool:
            yield pool
    finally:
        reader.close()
        writer.close()


def _receive_key(reader: Connection, lock: Any) -> None:
    """Take the key from the pipe that this process inherited."""
    with lock:
        secret = reader.recv_bytes()
    hold(Key.from_bytes(secret))
    Thread(target=_end_with_parent, name="dmengine-parent", daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent was killed: it would write on, and then wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_parts(
    executor: Executor,
    work: Callable[[T], R],
    tasks: Iterable[T],
    *,
    ahead: int,
    done: Callable[[R], None],
    stop: Callable[[], None],
) -> None:
    """Run tasks with at most `ahead` under way; at the first failure stop handing out, call `stop`, and raise it.

    Tasks that are under way are waited for, so that nothing still writes when the failure is dealt with.
    """
    waiting: deque[Future[R]] = deque()
    gate = _Gate()
    if isinstance(executor, ThreadPoolExecutor):
        work = partial(gate.let_in, work)
    broken = False
    try:
        for task in tasks:
            if len(waiting) >= ahead:
                done(waiting[0].result())
                waiting.popleft()
            waiting.append(executor.submit(work, task))
        while waiting:
            done(waiting[0].result())
            waiting.popleft()
    except BrokenExecutor:
        broken = True
    except BaseException:
        stop()
        raise
    finally:
        for future in waiting:
            if not future.cancel():
                future.exception()
        gate.close()
    if broken:
        raise RunError(
            "a worker process ended before its work was done",
            hint="was it killed, or out of memory? Use fewer workers, then run again",
        )


class _Gate:
    """Lets work in until it is closed, then waits for what is inside.

    Ctrl-C within `submit` leaves a thread behind that the executor itself has lost sight of.
    """

    def __init__(self) -> None:
        self._closed = False
        self._inside = 0
        self._changed = Condition()

    def let_in(self, work: Callable[[T], R], task: T) -> R:
        with self._changed:
            if self._closed:
                raise CancelledError
            self._inside += 1
        try:
            return work(task)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._inside)


def read_ahead(items: Iterator[T], count: int) -> Generator[T, None, None]:
    """Pull items in a thread of their own, `count` ahead of the caller, so that reading overlaps the rest."""
    queue: Queue[Any] = Queue(maxsize=count)
    stop = Event()

    def pull() -> None:
        try:
            for item in items:
                queue.put(item)
                if stop.is_set():
                    break
            queue.put(_END)
        except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
            queue.put(_Failure(error))

    thread = Thread(target=pull, name="dmengine-read", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            if not queue.empty():
                queue.get_nowait()
            thread.join(0.01)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def ordered_map(work: Callable[[T], R], items: Iterator[T], pool: Executor, ahead: int) -> Generator[R, None, None]:
    """Map in a pool, `ahead` items at most at once, and give the results in the order of the items."""
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()

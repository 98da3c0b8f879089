"""A dask cluster that is asked for results: trees of merges, and a scheduler that may be lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import dask
from distributed import Client, Future, get_client, wait
from distributed.comm.core import CommClosedError

from skpc._checks import shown
from skpc._dask.tasks import same

_FAN_IN = 8
"""So many results are merged by a task: the tree depends on how many there are, and on nothing
else, so that sums have the same bits wherever their terms are computed."""

_PATIENCE = 4.0  # seconds between two looks at the scheduler
_PING = 16.0  # seconds in which it has to answer


class Cluster:
    """What is asked of a dask cluster; all that it holds for this goes when the context ends.

    Parameters
    ----------
    client : distributed.Client or None
        None: the one that is current.
    """

    def __init__(self, client: Any) -> None:
        self._client = _checked_client(client)
        self._address = self._client.scheduler.address
        self._token = uuid.uuid4().hex
        self._numbers = count()
        self._held: list[Future] = []

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: Any) -> None:
        with suppress(Exception):  # of a lost scheduler, which is known by now
            self.release(self._held)

    def compute(self, tasks: Sequence[Any]) -> list[Future]:
        """The futures of delayed things."""
        with self._reaching(), _any_size():
            futures: list[Future] = self._client.compute(list(tasks))
        self._held += futures
        return futures

    def submit(
        self, function: Callable[..., Any], *arguments: Any, workers: Sequence[str] = ()
    ) -> Future:
        """The future of what a function gives, of futures or of other things.

        Of `workers`, if there are any, one does it, unless they are lost.
        """
        key = f"skpc-{function.__name__}-{self._token}-{next(self._numbers)}"
        where = {"workers": list(workers), "allow_other_workers": True} if workers else {}
        with self._reaching(), _any_size():
            future = self._client.submit(function, *arguments, key=key, **where)
        self._held.append(future)
        return future

    def put(self, thing: Any) -> Future:
        """Something that many tasks need: it goes to a worker, and from there to others.

        As a task, which is done again if that worker is lost; scattered data would be lost.
        """
        return self.submit(same, thing)

    def merged(self, merge: Callable[[list[Any]], Any], futures: Sequence[Future]) -> Any:
        """What a function makes of all results, some at a time; only the last one travels here."""
        level = list(futures)
        inner: list[Future] = []
        while len(level) > 1 or not inner:
            level = [
                self.submit(merge, level[first : first + _FAN_IN])
                for first in range(0, len(level), _FAN_IN)
            ]
            inner += level
        try:
            return self.result(level[0])
        finally:
            self.release(inner)

    def result(self, future: Future) -> Any:
        """The result of a future; ConnectionError where the scheduler does not answer any more."""
        self._wait(future)
        while True:
            with self._reaching():
                try:
                    return future.result(timeout=_PATIENCE)
                except TimeoutError:  # a result may be there and not come
                    self._ping()
            self._wait(future)  # as what had the result may be lost

    def _wait(self, future: Future) -> None:
        """Wait for a result, and raise what its task raised."""
        error = None
        with self._reaching():
            while True:
                try:
                    with self._client.as_current():
                        wait([future], timeout=_PATIENCE)
                    if future.status == "error":
                        error = future.exception(timeout=_PATIENCE)
                    break
                except TimeoutError:
                    self._ping()
        if error is not None:
            raise error

    def _ping(self) -> None:
        """Raise TimeoutError if the scheduler does not answer."""
        self._client.sync(self._client.scheduler.identity, callback_timeout=_PING)

    def places(self, futures: Sequence[Future]) -> list[Sequence[str]]:
        """The addresses of the workers that have each result, once all are there."""
        for future in futures:
            self._wait(future)
        with self._reaching():
            scheduler, keys = self._client.scheduler, [future.key for future in futures]
            found = self._client.sync(scheduler.who_has, keys=keys, callback_timeout=_PING)
        return [found.get(future.key, ()) for future in futures]

    def release(self, futures: Sequence[Future]) -> None:
        """Let go of results; tasks that nobody else wants are not done any more."""
        gone = {id(future) for future in futures}
        for future in futures:
            future.release()
        self._held = [future for future in self._held if id(future) not in gone]

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Say what has happened where the scheduler cannot be reached."""
        try:
            yield
        except (CancelledError, asyncio.CancelledError, CommClosedError, TimeoutError) as error:
            raise self._lost() from error
        except Exception:
            if self._client.status != "running":
                raise self._lost() from None
            raise

    def _lost(self) -> ConnectionError:
        return ConnectionError(
            f"The dask scheduler at {self._address} does not answer any more, or has dropped what "
            "it was asked for. The estimator is as it was before: start a cluster, and fit again "
            "with client=Client(...)."
        )


def _any_size() -> Any:
    """Let weights and circuits travel with tasks: they could not be computed again otherwise."""
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})


def _checked_client(client: Any) -> Client:
    """The client to use, which is connected and waits for results."""
    if client is None:
        try:
            client = get_client()
        except ValueError as error:
            raise ValueError(
                "client=None takes the current client of dask.distributed, and there is none. "
                "Start one, such as dask.distributed.Client(), or pass one as client."
            ) from error
    if not isinstance(client, Client):
        raise ValueError(
            f"client must be a dask.distributed.Client or None; got a {type(client).__name__}."
        )
    if client.asynchronous:
        raise ValueError(
            "client must wait for results; got one with asynchronous=True. Pass a Client of its "
            "own to the same scheduler."
        )
    if client.status != "running":
        raise ConnectionError(
            f"client is not connected to a scheduler: its status is {shown(client.status)}. Pass a "
            "new Client."
        )
    return client

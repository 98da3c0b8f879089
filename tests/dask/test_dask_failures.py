"""Fits whose workers are killed, and whose scheduler is lost: same bits, or a clear error."""

import os
import signal
import subprocess
import sys
import threading
import time

import dask.dataframe as dd
import pytest
from distributed import Client, LocalCluster
from helpers import same_bits

from skpc._dask.cluster import Cluster
from skpc.dask import SharpPCDensity

pytestmark = pytest.mark.long

SETTINGS = {"n_latents": 2, "max_iter": 4, "batch_size": None, "random_state": 0}
SOON = 30
"""Seconds within which a lost scheduler is to be told."""


def slow_table(frame):
    """Twelve partitions that take a while to read."""

    def read(number):
        time.sleep(0.1)
        return frame.iloc[number::12]

    return dd.from_map(read, range(12), meta=frame.iloc[:0])


def interrupted(monkeypatch, at, action):
    """Act while the cluster works at the result that is asked for so many others later."""
    result, asked = Cluster.result, []

    def acting(self, future):
        asked.append(future)
        if len(asked) == at + 1:
            time.sleep(0.3)
            action()
        return result(self, future)

    monkeypatch.setattr(Cluster, "result", acting)
    return asked


def settled(client):
    """The processes of two workers that answer: another test may have killed one just now."""
    while True:
        pids = client.run(os.getpid, on_error="return")
        if len(pids) == 2 and all(isinstance(pid, int) for pid in pids.values()):
            return pids
        time.sleep(0.2)


@pytest.fixture(scope="module")
def own_client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def expected(own_client, frame):
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("skpc._data.row_sample.MOST_ROWS", 128)
        monkeypatch.setattr("skpc._data.row_sample._LEAST_ROWS", 128)
        return SharpPCDensity(**SETTINGS, client=own_client).fit(slow_table(frame))


@pytest.mark.parametrize("phase", [0, 1, 2, 3, 5])
def test_a_killed_worker_does_not_change_a_bit(
    own_client, frame, few_drawn, monkeypatch, expected, phase
):
    """While columns are summed up, rows drawn, patterns found, and in two iterations of EM."""
    before = settled(own_client)

    def kill():
        os.kill(next(iter(before.values())), signal.SIGKILL)

    asked = interrupted(monkeypatch, phase, kill)
    model = SharpPCDensity(**SETTINGS, client=own_client).fit(slow_table(frame))
    assert len(asked) == 2 + SETTINGS["max_iter"]
    assert same_bits(model.circuit_, expected.circuit_)
    assert model.log_likelihoods_.tolist() == expected.log_likelihoods_.tolist()


def test_no_worker_left_for_a_while_does_not_change_a_bit(
    own_client, frame, few_drawn, monkeypatch, expected
):
    """All that was computed is gone then, the circuit of the iteration too."""
    pids = settled(own_client).values()
    interrupted(monkeypatch, 4, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
    model = SharpPCDensity(**SETTINGS, client=own_client).fit(slow_table(frame))
    assert same_bits(model.circuit_, expected.circuit_)


@pytest.fixture
def lonely(tmp_path):
    """A client, and the process of its scheduler, which can be killed; there is one worker."""
    file = tmp_path / "scheduler.json"

    def start(kind, *options):
        program = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.dask_{kind}"]
        return subprocess.Popen(
            [*program, *options, "--scheduler-file", str(file), "--dashboard-address", ":0"],
            stderr=subprocess.DEVNULL,
        )

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
    worker = start("worker", "--nthreads", "1", "--no-nanny", "--death-timeout", "60")
    try:
        client = Client(scheduler_file=str(file), set_as_default=False, timeout=60)
        client.wait_for_workers(1)
        yield client, scheduler
        scheduler.kill()
        client.close(timeout=1)
    finally:
        for process in worker, scheduler:
            process.kill()
            process.wait()


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("phase", [0, 3])
def test_a_lost_scheduler_is_a_clear_error_and_nothing_hangs(
    lonely, frame, few_drawn, monkeypatch, way, phase
):
    """Whether its connection ends, or it just says nothing any more."""
    client, scheduler = lonely
    interrupted(monkeypatch, phase, lambda: scheduler.send_signal(way))
    model = SharpPCDensity(**SETTINGS, client=client)
    errors = []

    def fit():
        try:
            model.fit(slow_table(frame))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=fit, daemon=True)
    lost = time.monotonic()
    thread.start()
    thread.join(SOON + 30)
    assert not thread.is_alive(), f"still waiting after {time.monotonic() - lost:.0f} s"
    assert isinstance(errors[0], ConnectionError)
    assert "does not answer any more" in str(errors[0])
    assert not hasattr(model, "circuit_")

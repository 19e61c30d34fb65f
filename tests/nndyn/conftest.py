"""What tests of sweeps and of searches share."""

import threading

import pytest


@pytest.fixture
def at_work(monkeypatch):
    """Threads that batches were recorded from, one a batch."""
    from nndyn.studies import batch_run

    found, real = [], batch_run.record_batch

    def recording(systems, paths, **options):
        found.append(threading.current_thread())
        return real(systems, paths, **options)

    monkeypatch.setattr(batch_run, "record_batch", recording)
    return found

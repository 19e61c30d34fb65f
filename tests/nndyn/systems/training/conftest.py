import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Small products are slower with threads, and threads share the machine with other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

"""Numbers of bytes, as all messages show them."""

import pytest

from nndyn.words.text import size


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.7, "1 kB"),
        (1234, "1.23 kB"),
        (5e6, "5 MB"),
        (999_900_000, "1 GB"),
        (2.5e12, "2.5 TB"),
        (1e18, "1,000,000 TB"),
    ],
)
def test_sizes_are_in_thousands_with_three_digits(count, shown):
    assert size(count) == shown

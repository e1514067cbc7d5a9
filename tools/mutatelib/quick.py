"""A pytest plugin: hypothesis does not look for the smallest example that fails.

That takes longer than all the rest, and a fault is caught by any.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings


@pytest.hookimpl(trylast=True)  # behind --hypothesis-profile
def pytest_configure() -> None:
    """Leave out what follows on a failure."""
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("quick", settings.get_profile("short"), phases=phases)
    settings.load_profile("quick")

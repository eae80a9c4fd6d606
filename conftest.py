"""Settings that must not depend on how loaded the machine is."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

OUTPUT_TIMEOUT = 60  # seconds; nbval's own 5 are too few on a loaded machine


def pytest_configure(config: pytest.Config) -> None:
    """Wait longer for the outputs of a cell that has already finished."""
    from nbval.plugin import IPyNbCell

    plain = IPyNbCell.__init__

    def patient(self, *arguments, **options):
        plain(self, *arguments, **options)
        self.output_timeout = OUTPUT_TIMEOUT

    IPyNbCell.__init__ = patient

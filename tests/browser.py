"""A Chromium of the system, driven by playwright; tests that ask for one are skipped where there is none."""

import os
import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def launched(**environment):
    """A browser with these variables in its environment."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, which drives a browser")
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs a Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path,
            args=["--no-sandbox"],  # as root it has none
            env=os.environ | environment,
        )
        yield browser
        browser.close()

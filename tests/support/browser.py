# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium that tells what a page says in its console, and what it asks of the network."""

from __future__ import annotations

import base64
import json
import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service


class Browser:
    """Chromium with its driver, both Debian's."""

    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def close(self):
        """End it."""
        self.driver.quit()

    def open(self, path, dark=False, width=1280, height=900):
        """Show the page at *path* in a window of this size, in one of the themes."""
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": theme})
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(path.as_uri())

    def said(self):
        """Return what the page wrote into the console since it was opened."""
        return [one["message"] for one in self.driver.get_log("browser")]

    def requests(self):
        """Return the addresses that the page asked for since it was opened."""
        events = [json.loads(one["message"])["message"] for one in self.driver.get_log("performance")]
        sent = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith("data:")]

    def run(self, script, *args):
        """Return what *script* gives in the page."""
        return self.driver.execute_script(script, *args)

    def picture(self, path, whole=True):
        """Write a picture of the page to *path*."""
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(shot["data"]))

    def paper(self, path):
        """Print the page to a PDF at *path*."""
        path.write_bytes(
            base64.b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
        )

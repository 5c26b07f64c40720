"""JupyterLab in a test's `folder`, a browser window in it, and pictures of the way.

AUTOGRADER_STUDENT_PYTHON names the Python of another environment with JupyterLab in it.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
OVERRIDES = "default_setting_overrides"
# Cells out of sight are in the page too.
EVERY_CELL = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
PATIENCE = 180_000  # milliseconds; a kernel that imports Keras on a busy machine


@pytest.fixture(autouse=True)
def where_pictures_are_asked_for():
    """Skips what walks through JupyterLab, before anything is made for it."""
    if "AUTOGRADER_SCREENSHOTS" not in os.environ:
        pytest.skip("set AUTOGRADER_SCREENSHOTS to a folder for the pictures")
    pytest.importorskip("playwright.sync_api")
    pytest.importorskip("jupyterlab")


@pytest.fixture
def lab(folder, tmp_path_factory):
    """JupyterLab in the course's folder; its address and token."""
    python = Path(os.environ.get("AUTOGRADER_STUDENT_PYTHON", sys.executable))
    own = tmp_path_factory.mktemp("jupyter")
    (own / "config" / "labconfig").mkdir(parents=True)
    for name, settings in (("page_config", NO_NEWS), (OVERRIDES, EVERY_CELL)):
        path = own / "config" / "labconfig" / f"{name}.json"
        path.write_text(json.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")},
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(own),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTER_TOKEN": token,
    }
    command = [
        python.parent / "jupyter-lab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
    ]
    command += [f"--port={port}", "--port-retries=0", f"--ServerApp.root_dir={folder}"]
    log = (own / "log").open("w")
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/api?token={token}", process, own / "log")
        yield address, token
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait_for(url, process, log, seconds=120):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def page(lab):
    """A browser window, signed in."""
    if CHROMIUM is None:
        pytest.skip("no chromium here; apt-get install chromium")
    address, token = lab
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE)
        # nbgrader's pages ask for MathJax from afar; tests need no network.
        page.route(
            lambda url: url.startswith("http") and not url.startswith(address),
            lambda route: route.abort(),
        )
        page.goto(f"{address}/lab?token={token}")
        page.get_by_role("menubar").first.wait_for()
        yield page
        browser.close()


@pytest.fixture
def shoot(page, tmp_path_factory):
    """Takes numbered screenshots."""
    kept = os.environ.get("AUTOGRADER_SCREENSHOTS")
    place = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    place.mkdir(parents=True, exist_ok=True)
    taken = []

    def shoot(name):
        taken.append(name)
        page.screenshot(path=place / f"{len(taken):02d}_{name}.png")

    return shoot

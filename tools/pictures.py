#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the README, both of one run: what the terminal shows, as SVG, and the report page, as a small image.

Usage: pictures.py            run tools/bench on the quickstart, and draw its output and its report
       pictures.py FILE       the same for a run whose output is in FILE

docs/pictures/run.svg and docs/pictures/report.png are written. The image needs chromium (tools/setup browser).
"""

from __future__ import annotations

import html
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
COMMAND = "make bench"
# What of the output is drawn: these tasks with their lines, then the points and the verdict.
TASKS = ("Get the nodes", "Start prefill, decode and aggregated workers", "Wait until the service is healthy",
         "Measure the service")  # fmt: skip
END = re.compile(r"^(concurrency |\s+\d+ |The results are|The run|rollup: |report: |out tok/s/GPU  |E2EL mean )")
WIDTH, LINE, CHARACTER, MARGIN = 118, 17, 7.2, 14
COLOURS = (
    (re.compile(r"^\$ "), "#e6edf3"),
    (re.compile(r"^(TASK|PLAY)"), "#8b949e"),
    (re.compile(r"^changed"), "#d29922"),
    (re.compile(r"^(ok|The results are valid)"), "#3fb950"),
    (re.compile(r"^(fatal|The results are not)"), "#f85149"),
    (re.compile(r"^  "), "#58a6ff"),
)


def run():
    """Run the quickstart; return its output. The exit code counts."""
    done = subprocess.run(
        ["tools/bench", "examples/quickstart.yaml"], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def chosen(text):
    """Return the lines of the output that the picture shows."""
    lines, shown, over = [f"$ {COMMAND}"], False, False
    for line in text.splitlines():
        over = over or line.startswith("PLAY RECAP")
        if line.startswith(("TASK", "PLAY")):
            shown = any(name in line for name in TASKS)
            line = re.sub(r"TASK \[srt\.slurm\.(\w+) : (.*?)\] \**", r"TASK [\1: \2]", line)
        if over and END.match(line) or shown and line.strip() and not line.startswith("skipping"):
            lines.append(shortened(line.rstrip()))
    return lines


def shortened(line):
    """Return *line* as long as the picture is wide; paths of this machine lose their beginning."""
    line = line.replace(f"{ROOT}/", "")
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def svg(lines):
    """Return a picture of a terminal with *lines*."""
    width, height = int(WIDTH * CHARACTER + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN + 14
    rows = []
    for number, line in enumerate(lines):
        colour = next((one for pattern, one in COLOURS if pattern.match(line)), "#c9d1d9")
        y = MARGIN + 26 + number * LINE
        rows.append(f'<text x="{MARGIN}" y="{y}" fill="{colour}" xml:space="preserve">{html.escape(line)}</text>')
    dots = "".join(
        f'<circle cx="{MARGIN + 4 + 16 * at}" cy="12" r="4.5" fill="{colour}"/>'
        for at, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="12">\n'
        f"<title>{COMMAND}: a run from submission to a verdict</title>\n"
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>{dots}\n' + "\n".join(rows) + "\n</svg>\n"
    )


def report_of(text):
    """Return the path of the report page that the output names."""
    found = re.findall(r"^\s*report: (\S+\.html)", text, re.M)
    if not found:
        sys.exit("The output names no report (report: PATH). Was the run complete?")
    return pathlib.Path(ROOT, found[-1])


def photograph(page, target):
    """Write an image of the first screen of *page*."""
    program = next((one for one in ("chromium", "chromium-browser", "google-chrome") if shutil.which(one)), None)
    if not program:
        sys.exit("There is no chromium for the image of the report. tools/setup browser installs it.")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--hide-scrollbars",
             "--force-device-scale-factor=0.75", "--window-size=1100,900", f"--screenshot={target}", page.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


def main():
    """Write both pictures."""
    text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else run()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "run.svg").write_text(svg(chosen(text)), encoding="utf-8")
    photograph(report_of(text), FOLDER / "report.png")


if __name__ == "__main__":
    main()

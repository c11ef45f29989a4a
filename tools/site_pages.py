# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the pages of the site: site_pages.py CHECKOUT DIR.

The guides keep their places below DIR, so that links between them hold. A link to another file of the checkout becomes
one to the repository. (A unit test finds links that lead nowhere.)
"""

from __future__ import annotations

import pathlib
import re
import shutil
import sys

import yaml

GUIDES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.rst", "docs/*.md")
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def main(root, target):
    """Write all pages."""
    repository = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    guides = [path for pattern in GUIDES for path in sorted(root.glob(pattern))]
    guides.append(root / "docs" / "site" / "index.md")
    pictures = [path for path in (root / "docs").rglob("*") if path.suffix in (".svg", ".png")]
    for path in pictures:
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    for path in guides:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            text = LINK.sub(lambda match, path=path: linked(match, path, root, guides + pictures, repository), text)
            text = text.replace("```mermaid", "```text")
        place = target / ("index.md" if path.name == "index.md" else path.relative_to(root))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def linked(match, path, root, there, repository):
    """Return a link of the page *path* as the site has it, which has the files *there*."""
    link, anchor = match[1], match[2] or ""
    aim = (path.parent / link).resolve()
    if aim in there or not aim.is_relative_to(root):
        return match[0]
    kind = "tree" if aim.is_dir() else "blob"
    return f"]({repository}/{kind}/main/{aim.relative_to(root)}{anchor})"


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]))

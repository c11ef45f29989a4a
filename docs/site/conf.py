# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx builds the site; see tools/site."""

project = "srt.slurm"
copyright = "2026 srt.slurm developers"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "index"
exclude_patterns = []
html_theme = "alabaster"
html_theme_options = {
    "description": "LLM inference on Slurm, measured, in Ansible's shape",
    "fixed_sidebar": True,
    "page_width": "1200px",
    "sidebar_width": "260px",
}
html_show_sourcelink = False
nitpicky = False
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
# Pages are read on a machine without a way out as well.
html_permalinks = True
suppress_warnings = ["misc.highlighting_failure"]

# Labels of Ansible's own documentation, which pages of modules refer to: {label: page}.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
PAGES = {
    "common_return_values": "reference_appendices/common_return_values.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    **{
        f"{kind}_plugins": f"plugins/{kind}.html"
        for kind in ("action", "callback", "connection", "inventory", "lookup")
    },
}


def ansible_page(_app, _env, node, content):
    """Resolve a label of Ansible's documentation."""
    from docutils import nodes

    label = node["reftarget"]
    name = label.removeprefix("ansible_collections.")
    page = PAGES.get(label) or (label != name and f"collections/{name.replace('.', '/')}.html")
    return nodes.reference("", "", content.deepcopy(), refuri=ANSIBLE + page, internal=False) if page else None


def setup(app):
    """Take part in the resolution of references."""
    app.connect("missing-reference", ansible_page)

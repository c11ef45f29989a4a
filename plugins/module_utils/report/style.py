# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The looks of pages, and their script: what is under the pointer or the focus is named, tables of runs are filtered.

Without the script everything is there but the filters.
"""

from __future__ import annotations

# Okabe and Ito's colours, those of the dark page brighter. Each has a contrast of 3 to 1 at least to its background.
LIGHT = {
    "back": "#ffffff", "text": "#1f2328", "soft": "#59636e", "line": "#d1d9e0", "panel": "#f6f8fa", "link": "#0550ae",
    "good": "#116329", "bad": "#a40e26", "grey": "#808080", "grid": "#e4e8ec", "shade": "rgba(128,128,128,0.14)",
    "c0": "#0072b2", "c1": "#d55e00", "c2": "#00795a", "c3": "#b0598a", "c4": "#946500", "c5": "#2a87bd",
    "c6": "#3f3f3f", "c7": "#7a5cc0",
}  # fmt: skip
DARK = {
    "back": "#0d1117", "text": "#e6edf3", "soft": "#9198a1", "line": "#3d444d", "panel": "#161b22", "link": "#79b8ff",
    "good": "#56d364", "bad": "#ff8f85", "grey": "#8b8b8b", "grid": "#262c34", "shade": "rgba(160,160,160,0.16)",
    "c0": "#4ba3e3", "c1": "#f0803c", "c2": "#2fc79b", "c3": "#e08fc0", "c4": "#e6b94d", "c5": "#8ad0f5",
    "c6": "#d6d6d6", "c7": "#b39bf0",
}  # fmt: skip


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


CSS = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    """
*{box-sizing:border-box}
body{overflow-wrap:break-word;margin:0 auto;max-width:1280px;padding:16px;background:var(--back);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.6em;margin:.2em 0}h2{font-size:1.25em;margin:1.6em 0 .5em;border-bottom:1px solid var(--line)}
h3{font-size:1.05em;margin:1.2em 0 .4em}
a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;padding:8px 0;border-bottom:1px solid var(--line)}
.verdict{display:inline-block;font-weight:700;font-size:1.15em;padding:4px 12px;border:2px solid;border-radius:6px}
.good{color:var(--good)}.bad{color:var(--bad)}.soft,.note,footer{color:var(--soft)}
.note{font-size:.87em;margin:.2em 0}
ul{margin:.4em 0;padding-left:1.4em}
.scroll{overflow-x:auto;margin:.5em 0}
table{border-collapse:collapse;font-size:.9em}
caption{text-align:left;font-weight:600;padding:2px 0}
th,td{border-bottom:1px solid var(--line);padding:4px 10px;text-align:left;vertical-align:top}
thead th{background:var(--panel);white-space:nowrap}
td.state{white-space:nowrap}td.why{min-width:22em}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr.out>*{color:var(--grey)}tr.out>td.n{text-decoration:line-through}
.facts th{white-space:nowrap;font-weight:600}.facts td{overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--line);padding:10px;overflow:auto;max-height:32em;font-size:.85em;
white-space:pre-wrap;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:12px}
figure{margin:0;border:1px solid var(--line);border-radius:6px;padding:10px;break-inside:avoid;min-width:0}
figure.wide{grid-column:1/-1}figcaption{font-weight:600}
.drawing{overflow-x:auto}.drawing svg{width:100%;height:auto;max-width:640px}
.wide .drawing svg{min-width:560px;max-width:1200px}
[role="graphics-symbol"]:focus{outline:2px solid var(--text)}
:focus-visible{outline:2px solid var(--link);outline-offset:1px}
#tip{position:fixed;z-index:9;max-width:min(420px,90vw);padding:6px 10px;background:var(--text);color:var(--back);
border-radius:4px;font-size:.85em;pointer-events:none;visibility:hidden}
.bar{display:block;height:.8em;background:var(--c0);min-width:1px}
.gpu{text-align:center;min-width:5.5em}
.m-prefill{border-left:4px solid var(--c0)}.m-decode{border-left:4px dashed var(--c1)}
.m-agg{border-left:4px double var(--c2)}
.filters{display:flex;flex-wrap:wrap;gap:8px 14px;margin:.6em 0}
.filters label{display:flex;flex-direction:column;min-width:0;max-width:100%;font-size:.85em;color:var(--soft)}
input,select{font:inherit;color:var(--text);background:var(--back);border:1px solid var(--line);border-radius:4px;
max-width:100%;padding:3px 6px}
details>summary{cursor:pointer;margin:.5em 0}
footer{margin-top:2em;border-top:1px solid var(--line);font-size:.85em}
@media (max-width:600px){body{padding:8px;font-size:14px}th,td{padding:3px 6px}}
@media print{nav,.filters,#tip{display:none}body{max-width:none;font-size:10pt;padding:0}pre{max-height:none}
h2{break-after:avoid}tr{break-inside:avoid}.charts{grid-template-columns:1fr 1fr}.scroll,.drawing{overflow:visible}
table{font-size:.75em}.points{font-size:.6em}td.why{min-width:12em}
th,td{padding:2px 4px}thead th{white-space:normal}.wide .drawing svg{min-width:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
)

SCRIPT = r"""
"use strict";
(() => {
  const tip = document.createElement("div");
  tip.id = "tip"; tip.setAttribute("role", "status"); document.body.append(tip);
  const hide = () => { tip.style.visibility = "hidden"; };
  const show = (mark) => {
    tip.textContent = mark.getAttribute("aria-label");
    const at = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(at.right + 8, innerWidth - own.width - 4)) + "px";
    tip.style.top = Math.max(4, at.top - own.height - 6) + "px";
    tip.style.visibility = "visible";
  };
  for (const drawing of document.querySelectorAll(".drawing")) {
    const marks = [...drawing.querySelectorAll('[role="graphics-symbol"][aria-label]')];
    marks.forEach((mark, index) => {
      mark.setAttribute("tabindex", index ? "-1" : "0");
      mark.addEventListener("pointerenter", () => show(mark));
      mark.addEventListener("pointerleave", hide);
      mark.addEventListener("focus", () => show(mark));
      mark.addEventListener("blur", hide);
      mark.addEventListener("keydown", (event) => {
        const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
        if (event.key === "Escape") hide();
        if (!step) return;
        event.preventDefault();
        const next = marks[(index + step + marks.length) % marks.length];
        mark.setAttribute("tabindex", "-1"); next.setAttribute("tabindex", "0"); next.focus();
      });
    });
  }
  addEventListener("scroll", hide, {passive: true});
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

  const filters = [...document.querySelectorAll(".filters [data-by]")];
  const rows = [...document.querySelectorAll("#runs tbody tr")];
  const fits = (row, filter) => {
    const by = filter.dataset.by, wanted = filter.value, own = row.dataset[by] || "";
    if (!wanted) return true;
    if (by === "words") return wanted.toLowerCase().split(/\s+/).every((word) => own.includes(word));
    if (by === "tags") return own.split("\n").includes(wanted);
    if (filter.dataset.how === "from") return own >= wanted;
    if (filter.dataset.how === "to") return own.slice(0, wanted.length) <= wanted;
    return own === wanted;
  };
  const update = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = !filters.every((filter) => fits(row, filter));
      shown += !row.hidden;
    }
    document.getElementById("count").textContent = shown + " of " + rows.length + " runs";
  };
  for (const filter of filters) filter.addEventListener("input", update);
  if (filters.length) update();
})();
"""

"""Takes the chart of the front out of a report, as a picture of its own.

    nas-search report STUDY --html
    python3 docs/front.py STUDY/report.html > docs/front.svg
"""

import re
import sys


def main():
    page = open(sys.argv[1], encoding="utf-8").read()
    chart = re.search(r'<svg class="chart wide" viewBox="([^"]+)".*?</svg>', page, re.DOTALL)
    left, top, width, height = chart[1].split()
    # Colours are variables of the page: the first block is the light scheme.
    colours = dict(re.findall(r"(--[a-z]+): (#[0-9a-f]+);", page[:page.index("@media")]))
    rules = re.findall(r"^(?:\.chart [^{]*|\.(?:trials?|front|step|baseline|dense|front-line)[^{]*)\{[^}]*\}$", page, re.MULTILINE)
    style = re.sub(r"var\((--[a-z]+)\)", lambda name: colours[name[1]], "\n".join(rules))
    inside = re.sub(r"^<svg[^>]*>|</svg>$", "", chart[0])
    inside = re.sub(r"</?a[^>]*>|<title>.*?</title>| data-[a-z]+=\"[^\"]*\"", "", inside, flags=re.DOTALL)
    legend = [("trial", "evaluation"), ("front", "Pareto front"), ("front best", "best"), ("baseline", "uniform"), ("dense", "dense model")]
    marks = {"baseline": '<polygon class="baseline" points="0,-6 6,5 -6,5"/>', "front best": '<polygon class="front best" points="0,-6 6,0 0,6 -6,0"/>'}
    entries = "".join(
        f'<g transform="translate({60 + 135 * place},{float(height) + 18})">{marks.get(name, f"<circle class={chr(34)}{name}{chr(34)} r={chr(34)}5{chr(34)}/>")}'
        f'<text x="12" y="4">{text}</text></g>' for place, (name, text) in enumerate(legend))
    print(f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="{left} {top} {width} {float(height) + 34:.0f}" '
          f'font-family="system-ui, sans-serif"><style>{style}</style><rect width="100%" height="100%" fill="{colours["--background"]}"/>'
          f"{inside}{entries}</svg>")


main()

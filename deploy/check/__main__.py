"""What no schema knows about deploy/. Usage: python3 deploy/check DIR, where DIR holds <overlay>.yaml, as rendered."""
import sys
from pathlib import Path

import yaml

import arrows
import dashboards
import files
import workloads

OVERLAYS = ["development", "production", "production-mtls"]


def main():
    rendered = Path(sys.argv[1])
    problems = files.check() + dashboards.check()
    for overlay in OVERLAYS:
        objects = [o for o in yaml.safe_load_all((rendered / f"{overlay}.yaml").read_text()) if o]
        found = workloads.check(objects, overlay) + arrows.check(objects, overlay)
        problems += [f"{overlay}: {problem}" for problem in found]
    print("\n".join(problems) or "deploy: all rules hold")
    return 1 if problems else 0


sys.exit(main())

"""Fails when a test of real data was skipped although the data is there."""

import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(report: str) -> int:
    named = os.environ.get("SKILLRL_DATA")
    data = Path(named) if named else ROOT.parent / "shared" / "data"
    cases = ElementTree.parse(report).getroot().iter("testcase")
    skipped = [
        (f"{case.get('classname')}::{case.get('name')}", mark.get("message") or "")
        for case in cases
        if (mark := case.find("skipped")) is not None
    ]
    for name, why in skipped:
        print(f"skipped: {name}: {why}")
    if not data.is_dir():
        print("no real data here: its tests may be skipped")
        return 0
    guilty = [name for name, why in skipped if "real data" in why]
    print(f"real data is here; data tests skipped: {len(guilty)}")
    return 1 if guilty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Counts the lines of a part that ran: lines.py NAME PACKAGE LCOV FILE_TO_SHOW [PATTERN...]"""

import os
import re
import sys

HOME = {
    "openwrt-uci": "crates/uci/src/",
    "durable-files": "crates/durable/src/",
    "ubus-tokio": "crates/ubus/src/",
    "durable-spool": "crates/spool/src/",
    "socketman": "src/",
}


def expression(pattern):
    """A pattern of files, as cargo-mutants understands it."""
    pattern = re.sub(r"\{([^}]*)\}", lambda m: "(" + m[1].replace(",", "|") + ")", pattern)
    return pattern.replace(".", r"\.").replace("**", ".*") + "$"


def counted(path):
    """The lines of a file before its tests."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines):
        # A module of its own is another file.
        if line == "#[cfg(test)]" and lines[number + 1].startswith("mod ") and lines[number + 1].endswith("{"):
            return number
    return len(lines)


def main(name, package, lcov, show, *patterns):
    """Prints the sum, and what is below nine tenths."""
    files, path = {}, None
    with open(lcov, encoding="utf-8") as file:
        for line in file:
            if line.startswith("SF:"):
                path = os.path.relpath(line[3:].strip())
            elif line.startswith("DA:"):
                number, count = line[3:].split(",")[:2]
                files.setdefault(path, {})[int(number)] = int(count)
    ran, all_of_them = 0, 0
    for path, lines in sorted(files.items()):
        is_test = "/tests/" in path or path.endswith("/tests.rs")
        is_meant = not patterns or any(re.match(expression(pattern), path) for pattern in patterns)
        if not path.startswith(HOME[package]) or is_test or not is_meant:
            continue
        end = counted(path)
        lines = {number: count for number, count in lines.items() if number <= end}
        here = sum(count > 0 for count in lines.values())
        ran, all_of_them = ran + here, all_of_them + len(lines)
        if lines and 10 * here < 9 * len(lines):
            print(f"    {path}: {here} of {len(lines)}")
        if path == show:
            print("   ", *(number for number, count in sorted(lines.items()) if count == 0))
    print(f"{name:8} {ran:5} of {all_of_them:5} lines, {100 * ran / max(all_of_them, 1):.1f} %")


main(*sys.argv[1:])

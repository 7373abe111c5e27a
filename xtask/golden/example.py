"""Runs an example of the workspace, for the scripts that check what it wrote."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(name, *arguments):
    # Found by its name, whichever package it is in; what it needs is compiled with the features of the tests.
    command = ["cargo", "build", "--quiet", "--workspace", "--example", name, "--message-format=json-render-diagnostics"]
    build = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = map(json.loads, build.stdout.splitlines())
    (executable,) = (m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == name)
    subprocess.run([executable, *arguments], cwd=ROOT, check=True)

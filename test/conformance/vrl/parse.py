"""Parses messages with a function of Vector's remap language.

usage: parse.py parse_cef|parse_syslog, with a JSON string per line on standard input. Prints a JSON object per line.
"""
import json
import sys

from pyvrl import Transform

transform = Transform(f". = {sys.argv[1]}!(string!(.text))")
for line in sys.stdin:
    print(json.dumps(transform.remap({"text": json.loads(line)}), default=str))

#!/usr/bin/env python3
"""Makes src/guard/secrets/gitleaks.tsv from gitleaks' configuration and licence.

Usage: gitleaks-rules.py <gitleaks checkout> > src/guard/secrets/gitleaks.tsv
"""
import re
import subprocess
import sys
import tomllib

checkout = sys.argv[1]


def show(path):
    return subprocess.run(["git", "-C", checkout, "show", f"HEAD:{path}"], check=True, capture_output=True).stdout


# Left out: what teof's own rules do better (private keys whose head was cut off, JSON web tokens, values that are
# assigned to names), and what only means something in files of one kind.
LEFT_OUT = {"private-key", "jwt", "generic-api-key", "hashicorp-tf-password", "pkcs12-file"}
# Any commit id, in any text that has the word "sourcegraph".
CUT = {"sourcegraph-access-token": ("|[a-fA-F0-9]{40})", ")")}

commit = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
print(f"# The rules of gitleaks (https://github.com/gitleaks/gitleaks, commit {commit.stdout.strip()}),")
print("# made by scripts/gitleaks-rules.py. Columns: id, least entropy, group of the secret, keywords (one of them stands")
print("# near every match), what is no secret, expression. Their licence:")
for line in show("LICENSE").decode().splitlines():
    print(f"# {line}".rstrip())

for rule in tomllib.loads(show("config/gitleaks.toml").decode())["rules"]:
    if rule["id"] in LEFT_OUT:
        continue
    regex = rule["regex"].replace(*CUT.get(rule["id"], ("", "")))
    # Go takes an unescaped brace for itself.
    regex = re.sub(r"(?<!\\)\{\{", r"\\{\\{", regex)
    allowed = []
    for allowlist in rule.get("allowlists", []):
        if "paths" not in allowlist and allowlist.get("regexTarget", "secret") == "secret":
            allowed += allowlist.get("regexes", [])
    # Keys of documentation look like keys: they do not belong into a repository.
    allowed = [] if rule["id"] == "gcp-api-key" else [re.sub(r"\{\{", r"\\{\\{", each) for each in allowed]
    columns = [rule["id"], str(rule.get("entropy", 0)), str(rule.get("secretGroup", 0)), "|".join(rule["keywords"])]
    columns += ["|".join(f"(?:{each})" for each in allowed), regex]
    assert not any("\t" in column or "\n" in column for column in columns), rule["id"]
    print("\t".join(columns))

#!/bin/sh
# What a person does before leaving agents alone for a night, in the repository they work in.
set -eu

teof doctor                      # is the set-up sound?
teof plan list                   # what would be worked on?
teof coordinator run --dry-run   # what would be chosen first, and what is skipped, and why?

# Consent is per machine and per content: change teof.toml or the consent file, and it is gone.
teof consent grant --continuous --max-iterations 0

exec teof coordinator run        # stop it with: teof coordinator stop

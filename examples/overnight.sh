#!/bin/sh
# What a person does before leaving agents alone for a night, in the repository they work in.
set -eu

teof doctor                      # is the set-up sound?
teof plan list                   # what would be worked on?
teof run --dry-run               # what would be chosen first, and what is skipped, and why?

# Consent is per machine and per content: a change of the consent file, or of what teof.toml allows, suspends it.
teof consent grant --max-jobs 20

exec teof run        # stop it with Ctrl-C, or: teof coordinator stop

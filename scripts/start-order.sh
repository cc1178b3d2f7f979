#!/bin/sh
# Writes .cargo/start-order: the functions that short commands of a release build use, those of most commands first.
# Needs valgrind. Run it when `cargo bench -- start` shows more page faults than before:
#   cargo build --release && scripts/start-order.sh target/release/teof && cargo build --release
set -eu
command -v valgrind >/dev/null || { echo "valgrind is missing" >&2; exit 1; }
teof=$(realpath "$1")
order=$(dirname "$(realpath "$0")")/../.cargo/start-order
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HOME="$folder/home" TEOF_AGENT=seat
mkdir -p "$HOME" "$folder/repo"
cd "$folder/repo"
git init -q -b main
git -c user.name=a -c user.email=a@b.invalid commit -q --allow-empty -m Begin
"$teof" init --agent seat >/dev/null
"$teof" session-boot --agent seat --no-sync >/dev/null

# The functions that a command calls, by the names in the executable.
watch() {
	valgrind --tool=callgrind --demangle=no --callgrind-out-file="$folder/calls" "$teof" "$@" >/dev/null 2>&1 || true
	sed -n "s/^c*fn=([0-9]*) \([^' ]*\).*/\1/p" "$folder/calls" | sort -u >>"$folder/used"
}
watch --version
watch bus claim T-1 --allow-unassigned
for time in first second third; do
	watch bus event --event status --task T-1 --summary "$time"
done
watch bus message --task T-1 --type note --summary hello
watch bus release T-1 --outcome done
watch bus claim T-2 --allow-unassigned
watch session-boot --agent seat --no-sync --no-dashboard
watch task list
watch status

# Without hashes, as .cargo/link-in-order compares them.
sed -E 's/\.llvm\.[0-9]+$//; s/17h[0-9a-f]+E$//; s/Cs[0-9A-Za-z]+_/C/g; s/B[0-9A-Za-z]*_/B/g' "$folder/used" |
	grep '^[A-Za-z_]' | sort | uniq -c | sort -k1,1nr -k2 | awk '{ print $2 }' >"$folder/order"
# valgrind has no instructions for SHA-256.
echo _ZN4sha26sha2567x86_sha8compress >>"$folder/order"
cp "$folder/order" "$order"
# Cargo does not know that the executable depends on it.
touch "$(dirname "$order")/../src/main.rs"
wc -l "$order"

# What the scripts with real agents share: what they say, how an agent is installed, and how they end.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $*" && exit 1; }

# install_package PACKAGE NAME: installs an agent into $prefix as npm does, without any package's script, and sets
# $program and $version. Some launchers only work after such a script; the program itself lies in the package for this
# platform.
install_package() {
    local package=$1 name=$2
    mkdir -p "$prefix" && prefix=$(realpath "$prefix")
    say "npm install --ignore-scripts $package"
    npm install --prefix "$prefix" --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error "$package" >&2
    while read -r program; do
        if version=$(HOME=$folder/home timeout 60 "$program" --version </dev/null 2>/dev/null); then
            say "$name is $version, teof is $("$folder/bin/teof" --version)"
            return
        fi
    done < <(echo "$prefix/node_modules/.bin/$name" && find "$prefix/node_modules" -type f -name "$name" -perm -u+x)
    fail "npm installed $package, but none of its programs answers --version"
}

# install_python_package PACKAGE NAME: the same with pip, in a virtual environment.
install_python_package() {
    local package=$1 name=$2
    mkdir -p "$prefix" && prefix=$(realpath "$prefix")
    say "pip install $package"
    [ -x "$prefix/bin/pip" ] || "${PYTHON:-python3}" -m venv "$prefix"
    "$prefix/bin/pip" install --quiet --disable-pip-version-check "$package" >&2
    version=$(HOME=$folder/home "$prefix/bin/$name" --version </dev/null) || fail "$package does not answer --version"
    say "$name is $version, teof is $("$folder/bin/teof" --version)"
}

# leave CODE: stops what runs, and removes the folder unless somebody wants to look at it.
leave() {
    trap - EXIT
    [ -z "$running" ] || { kill -KILL "$running" && wait "$running"; } 2>/dev/null || true
    if [ -n "$keep" ] || [ "$1" != 0 ]; then
        say "Left for you to look at: $folder"
    else
        rm -rf "$folder"
    fi
    exit "$1"
}

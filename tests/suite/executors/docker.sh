#!/bin/sh
# Stands in for docker's client and engine: checks what it is called with, and runs a "container" as a process of this
# machine that outlives the client. Beside it, `state/` holds the engine: images/, containers/<name>/, calls.
# Files in state/ change how it behaves: no-engine, opaque (the container hides its variables from the host), elsewhere
# (the engine has another kernel), namespaces (the container has processes of its own, as a real one), rootless (root
# alone may write to what is mounted), podman (a rootless one).
state=$(dirname "$0")/state
mkdir -p "$state/images" "$state/containers"
printf '%s\n' "$*" >>"$state/calls"
fail() { echo "docker: $2" >&2; exit "$1"; }
image_file() { echo "$state/images/$(echo "$1" | tr '/:' '__')"; }

[ -e "$state/no-engine" ] && fail 1 "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."

status_of() {
    c=$state/containers/$1
    if [ -e "$c/exit" ]; then echo exited; elif [ -e "$c/pid" ]; then echo running; else echo created; fi
}

inspect() {
    c=$state/containers/$1
    [ -d "$c" ] || fail 1 "No such container: $1"
    code=$(cat "$c/exit" 2>/dev/null || echo 0)
    oom=false
    [ "$code" = 137 ] && [ -e "$c/memory" ] && oom=true
    printf '{"Status":"%s","Running":false,"OOMKilled":%s,"ExitCode":%s,"Error":"%s"}\n' \
        "$(status_of "$1")" "$oom" "$code" "$(cat "$c/error" 2>/dev/null)"
}

remove() {
    c=$state/containers/$1
    [ -d "$c" ] || fail 1 "No such container: $1"
    # Everything in a container dies with its first process.
    [ -e "$c/pid" ] && kill -KILL "-$(cat "$c/pid")" 2>/dev/null
    rm -rf "$c"
    echo "$1"
}

list() {
    for c in "$state/containers"/*; do
        [ -d "$c" ] || continue
        matches=yes
        for filter in "$@"; do
            grep -qxF -e "${filter#label=}" "$c/labels" || matches=no
        done
        [ $matches = yes ] && basename "$c"
    done
    return 0
}

mount_option() { # flag value: checks a bind mount and prints its target
    source=$(echo "$1" | tr ',' '\n' | sed -n 's/^source=//p')
    target=$(echo "$1" | tr ',' '\n' | sed -n 's/^target=//p')
    case $1 in
    type=bind,*) [ -e "$source" ] || fail 125 "invalid mount config: bind source path does not exist: $source" ;;
    type=tmpfs,*notmpcopyup) [ -e "$state/podman" ] || fail 125 "unknown option 'notmpcopyup' in '$1'" ;;
    type=tmpfs,*) [ ! -e "$state/podman" ] || fail 125 "tmpcopyup: failed to copy $target" ;;
    *) fail 125 "invalid mount: $1" ;;
    esac
    case $target in /*) echo "$target" ;; *) fail 125 "invalid mount target: $1" ;; esac
}

cannot_start() { # path program mounts: prints the exit code and the reason of an init process that cannot start it
    case $2 in
    */*) file=$2 ;;
    *)
        file=$(IFS=:; for folder in $1; do [ ! -x "$folder/$2" ] || { echo "$folder/$2"; break; }; done)
        [ -n "$file" ] || { echo "127 No such file or directory"; return; }
        ;;
    esac
    case $file in
    /usr/* | /bin/*) visible=yes ;;
    *) visible=no; while read -r target; do case $file in "$target"/*) visible=yes ;; esac; done <"$3" ;;
    esac
    [ $visible = yes ] && [ -e "$file" ] || { echo "127 No such file or directory"; return; }
    [ -x "$file" ] && [ ! -d "$file" ] || { echo "126 Permission denied"; return; }
    interpreter=$(head -c 200 "$file" | sed -n '1s/^#! *\([^ ]*\).*/\1/p')
    [ -z "$interpreter" ] || [ -e "$interpreter" ] || echo "127 No such file or directory"
}

run() {
    name= dir=/ entry= stdin=/dev/null memory= user= userns= of_teof=no
    set -- "$@"
    staging=$(mktemp -d "$state/new.XXXXXX")
    : >"$staging/labels"; : >"$staging/mounts"; : >"$staging/env"
    while :; do
        case $1 in
        --name=*) name=${1#*=} ;;
        --label=*) echo "${1#*=}" >>"$staging/labels" ;;
        --workdir=*) dir=${1#*=} ;;
        --entrypoint=*) entry=${1#*=} ;;
        --mount=*) mount_option "${1#*=}" >>"$staging/mounts" || exit 125 ;;
        --memory=*) memory=${1#*=}; echo "$memory" >"$staging/memory" ;;
        --env=*=*) echo "${1#*=}" >>"$staging/env" ;;
        --env=*) echo "${1#*=}=$(printenv "${1#*=}")" >>"$staging/env" ;;
        --interactive) stdin=interactive ;;
        --log-driver=json-file) ;;
        --log-opt=max-size=* | --log-opt=max-file=*) echo "$1" >>"$staging/log" ;;
        --init=true) of_teof=yes ;;
        --pull=never | --stop-timeout=* | --security-opt=no-new-privileges | --cap-drop=ALL) ;;
        --user=*) user=${1#*=} ;;
        --userns=*) userns=${1#*=} ;;
        --network=* | --cpus=* | --pids-limit=*) ;;
        -*) fail 125 "unknown flag: $1" ;;
        *) break ;;
        esac
        shift
    done
    # Otherwise a program that prints without end fills the engine's disk.
    [ $of_teof = no ] || [ "$(sort "$staging/log" 2>/dev/null | tr '\n' ' ')" = "--log-opt=max-file=2 --log-opt=max-size=8m " ] ||
        fail 125 "no limit of the log"
    image=$1; shift
    [ -e "$(image_file "$image")" ] || fail 125 "Unable to find image '$image' locally"
    c=$state/containers/$name
    mkdir "$c" 2>/dev/null || fail 125 "Conflict. The container name \"/$name\" is already in use"
    mv "$staging"/* "$c"; rmdir "$staging"
    path=$(sed -n 's/^PATH=//p' "$c/env")
    case $user in
    *[!0-9:]*)
        echo "unable to find user $user: no matching entries in passwd file" >"$c/error"
        fail 125 "Error response from daemon: $(cat "$c/error")

Run 'docker run --help' for more information"
        ;;
    esac
    if [ -e "$state/rootless" ] && [ "$user" != 0:0 ]; then
        # Its own number is another one outside.
        : >"$c/out"; echo 1 >"$c/exit"
        echo "sh: can't create file: Permission denied" | tee "$c/err" >&2
        exit 1
    fi
    [ ! -e "$state/podman" ] || [ "$userns" = keep-id ] || fail 125 "a stranger to what is mounted"
    cannot=$(cannot_start "$path" "$entry" "$c/mounts")
    if [ -n "$cannot" ]; then
        # The engine's init process runs, cannot start the program, and says so.
        : >"$c/out"
        echo "[FATAL tini (7)] exec $entry failed: ${cannot#* }" | tee "$c/err" >&2
        echo "${cannot%% *}" >"$c/exit"
        exit "${cannot%% *}"
    fi
    : >"$c/out"; : >"$c/err"
    exec 3<&0
    [ $stdin = interactive ] || exec 3</dev/null
    hide=
    [ -e "$state/opaque" ] && hide='^TEOF_ROOT='
    wrap=
    [ -e "$state/namespaces" ] && wrap='unshare --user --map-root-user --pid --fork --kill-child --mount-proc'
    # The container: a session of its own, which the client does not take with it.
    c=$c dir=$dir hide=$hide wrap=$wrap setsid sh -c '
        echo $$ >"$c/pid"
        cd "$dir" || exit 126
        set -- "$@"
        code=0
        while IFS= read -r line; do
            [ -n "$hide" ] && echo "$line" | grep -q "$hide" && continue
            set -- "$line" "$@"
        done <"$c/env"
        # As with an engine, nothing of it runs before its first process is known.
        $wrap sh -c '\''until [ -s "$0" ]; do sleep 0.01; done; exec env -i "$@"'\'' "$c/first" "$@" <&3 >"$c/out" 2>"$c/err" &
        child=$! first=$!
        # The first process of the namespace.
        [ -z "$wrap" ] || first=
        while [ -z "$first" ] && [ -e /proc/$child/exe ]; do
            # It has no end of line, so it is read and not found.
            read -r first </proc/$child/task/$child/children || [ -n "$first" ] || sleep 0.01
        done 2>/dev/null
        echo $first >"$c/first"
        trap "kill -TERM $child" TERM
        wait $child; code=$?
        while kill -0 $child 2>/dev/null; do wait $child; code=$?; done
        echo $code >"$c/exit.new"; mv "$c/exit.new" "$c/exit"
    ' container "$entry" "$@" <&3 >/dev/null 2>&1 &
    container=$!
    exec 3<&-
    trap 'kill -TERM "$(cat "$c/pid")" 2>/dev/null' TERM INT
    tail -n +1 -s 0.02 -f --pid=$container "$c/out" &
    out=$!
    tail -n +1 -s 0.02 -f --pid=$container "$c/err" >&2 &
    err=$!
    while kill -0 $container 2>/dev/null; do wait $container; done
    wait $out; wait $err
    [ ! -e "$state/no-engine" ] || fail 125 'error waiting for container: unexpected EOF'
    exit "$(cat "$c/exit" 2>/dev/null || echo 137)"
}

case "$1 $2" in
"version --format") echo 28.2.2 ;;
"image inspect")
    [ -e "$(image_file "$5")" ] || fail 1 "Error response from daemon: No such image: $5"
    cat "$(image_file "$5")"
    ;;
"pull --quiet") echo '["PATH=/usr/local/bin:/usr/bin:/bin"]' >"$(image_file "$3")" ;;
"container inspect")
    case $4 in
    *Labels*)
        [ -d "$state/containers/$5" ] || fail 1 "No such container: $5"
        echo "{$(sed 's/^\([^=]*\)=\(.*\)/"\1":"\2"/' "$state/containers/$5/labels" | paste -sd, -)}"
        ;;
    *State.Pid*) cat "$state/containers/$5/first" 2>/dev/null || echo 0 ;;
    *) inspect "$5" ;;
    esac
    ;;
"info --format")
    [ -e "$state/elsewhere" ] && kernel=6.1.0-other || kernel=$(uname -r)
    if [ -e "$state/podman" ]; then
        printf '{"host":{"kernel":"%s","security":{"rootless":true}}}\n' "$kernel"
        exit
    fi
    security='"name=seccomp,profile=default"'
    [ -e "$state/rootless" ] && security="$security,\"name=rootless\""
    printf '{"ID":"x","KernelVersion":"%s","SecurityOptions":[%s]}\n' "$kernel" "$security"
    ;;
"rm --force") remove "$4" ;;
"logs --tail") cat "$state/containers/$4/out" "$state/containers/$4/err" ;;
"ps --all")
    shift 3
    filters=
    while [ "$1" = --filter ]; do filters="$filters $2"; shift 2; done
    # Labels of the tests have no blanks.
    list $filters
    ;;
run\ *) shift; run "$@" ;;
*) fail 1 "unknown command: $*" ;;
esac

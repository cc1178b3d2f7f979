#!/bin/sh
# A scripted agent that prints what claude prints. What a call does beyond its file stands in `do.sh` beside it.
here=$(dirname "$0")
cat > /dev/null
session=none
for arg in "$@"; do case $arg in --session-id=*|--resume=*) session=${arg#*=} ;; esac; done
printf '{"type":"system","subtype":"init","session_id":"%s","model":"scripted"}\n' "$session"
work() { mkdir -p jobs; echo "$1" > "jobs/$TEOF_TASK.txt"; }
[ "$TEOF_STAGE" != coder ] || work begun
[ "$TEOF_STAGE" != coder ] || [ ! -f "$here/do.sh" ] || . "$here/do.sh"
[ "$TEOF_STAGE" != coder ] || work "done by one call"
printf '{"type":"result","subtype":"success","is_error":false,"result":"%s","session_id":"%s","total_cost_usd":0.01,"usage":{"input_tokens":100,"output_tokens":10}}\n' \
  '{\"analysis\": \"did it\", \"commands\": [], \"receipts\": [], \"verdict\": \"approve\", \"confidence\": 90, \"findings\": []}' "$session"

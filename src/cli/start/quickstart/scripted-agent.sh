#!/bin/sh
# A coding agent without a model: it does one piece of work, wrong at first, so that the quickstart can show
# what becomes of that. It speaks as real agents do: the prompt on standard input, events as JSON lines.
prompt=$(cat)

say() { printf '%s\n' "$1"; }
result() { # the final answer, as a JSON string
  say '{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"one moment"}]}}'
  say '{"type":"result","subtype":"success","is_error":false,"usage":{"input_tokens":1200,"output_tokens":80},"total_cost_usd":0.01,"result":"'"$1"'"}'
}

say '{"type":"system","subtype":"init","session_id":"scripted","model":"none"}'
case $prompt in
"# Plan "*)
  result '{\"analysis\":\"Add a French greeting to greet.sh; the test asks for it by its first argument.\",\"commands\":[],\"receipts\":[]}'
  ;;
"# Review "*)
  result '{\"analysis\":\"Small, tested, and only what was asked for.\",\"verdict\":\"approve\",\"confidence\":92,\"findings\":[],\"commands\":[],\"receipts\":[]}'
  ;;
*)
  if grep -q bonjor greet.sh; then
    sed 's/bonjor/bonjour/' greet.sh > greet.new && cat greet.new > greet.sh && rm greet.new
    result '{\"analysis\":\"The test was right: it is spelt bonjour.\",\"commands\":[],\"receipts\":[]}'
  else
    printf 'if [ "$1" = fr ]; then echo "bonjor"; fi\n' >> greet.sh
    result '{\"analysis\":\"greet.sh fr says it in French.\",\"commands\":[],\"receipts\":[]}'
  fi
  ;;
esac

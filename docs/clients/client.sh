#!/usr/bin/env bash
# Calls an API behind Keygate, and again when it may. With the key in the
# environment:
#
#	bash client.sh https://api.example.com/v1/posts [options of curl]
set -euo pipefail
: "${SOCIALPATRA_API_KEY:?set it to your API key}"

attempts=5
longest_wait=60 # seconds; the next day's quota may be hours away

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for ((attempt = 1; ; attempt++)); do
	# The key goes through standard input: curl's arguments are for all users
	# of the machine to see.
	: >"$tmp/body"
	status=$(printf 'Authorization: Bearer %s\n' "$SOCIALPATRA_API_KEY" |
		curl -sS --max-time 30 -H @- -D "$tmp/headers" -o "$tmp/body" -w '%{http_code}' "$@")
	if [[ $status == 2?? ]]; then
		cat "$tmp/body"
		exit
	fi
	code=$(sed -n 's/.*"code":"\([a-z_]*\)".*/\1/p' "$tmp/body")
	retry_after=$(awk 'tolower($1) == "retry-after:" { print $2 + 0 }' "$tmp/headers")
	case $status/$code in
	429/cost_too_high | 429/too_many_failures) seconds=$retry_after ;; # without it, waiting does not help
	429/* | 503/store_unavailable) seconds=${retry_after:-$((2 ** (attempt - 1)))} ;;
	*) seconds= ;;
	esac
	if [[ -z $seconds ]] || ((seconds > longest_wait || attempt == attempts)); then
		printf 'HTTP %s: %s\n' "$status" "$(cat "$tmp/body")" >&2
		exit 1
	fi
	# Never earlier than told, and not all at once.
	wait=$(awk -v s="$seconds" -v r="$RANDOM" 'BEGIN { printf "%.2f", s * (1 + r / 65536) }')
	printf 'HTTP %s %s: waiting %s s\n' "$status" "$code" "$wait" >&2
	sleep "$wait"
done

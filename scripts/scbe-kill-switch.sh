#!/usr/bin/env bash
# Engages, releases and shows the kill switch through the control API. Needs bash and curl; `--offline` needs Node 24.
{ set +x; } 2>/dev/null # a trace would show the token
set -euo pipefail
export LC_ALL=C

readonly EXIT_FAILED=1 EXIT_USAGE=2 EXIT_UNREACHABLE=3 EXIT_UNCONFIRMED=4
readonly URL="${SCBE_CONTROL_URL:-http://127.0.0.1:7100}"

usage() {
  cat <<'TEXT'
usage: scbe-kill-switch.sh activate "reason" [--integrity] [--provider NAME] [--wait SECONDS]
       scbe-kill-switch.sh activate "reason" --offline [--integrity] [--for SECONDS]
       scbe-kill-switch.sh deactivate ["reason"] [--provider NAME] [--offline] [--wait SECONDS]
       scbe-kill-switch.sh status [--json]

  activate      takes SCBE out of the path; comes back when the verifiers have confirmed it
  deactivate    puts it back
  status        shows what is in force, and needs no token

  --integrity      traffic is refused; without it, it falls back to unsealed where the deployment permits that
  --provider NAME  this provider alone
  --wait SECONDS   for the verifiers' confirmation; default 10
  --offline        without a controller: signs with SCBE_CONTROL_SEED_FILE and publishes on NATS_URL
  --for SECONDS    how long the offline command goes on publishing
  --json           the controller's own answer

  SCBE_CONTROL_URL   the controller; default http://127.0.0.1:7100
  EMERGENCY_TOKEN    may activate;                 or EMERGENCY_TOKEN_FILE, a file that holds it
  ADMIN_TOKEN        may activate and deactivate;  or ADMIN_TOKEN_FILE

exit codes: 0 done; 1 the controller refused it; 2 wrong usage; 3 no controller answered; 4 done, but not confirmed by all verifiers
TEXT
}

fail() { # code, text
  printf 'scbe-kill-switch: %s\n' "$2" >&2
  exit "$1"
}

main() {
  local action="${1:-}" reason="" provider="" cause="availability" offline="" json="" for_seconds="" wait_seconds=10
  [ $# -gt 0 ] && shift
  while [ $# -gt 0 ]; do
    case "$1" in
      --integrity) cause="integrity" ;;
      --offline) offline=1 ;;
      --json) json=1 ;;
      --provider) provider="${2-}" && needs_value "$@" && shift ;;
      --wait) wait_seconds="${2-}" && needs_value "$@" && shift ;;
      --for) for_seconds="${2-}" && needs_value "$@" && shift ;;
      -h | --help) usage && exit 0 ;;
      -*) fail $EXIT_USAGE "$1 is not known; --help tells what is" ;;
      *) [ -z "$reason" ] || fail $EXIT_USAGE "there are two reasons; put the reason in quotes"
         reason="$1" ;;
    esac
    shift
  done
  [[ $wait_seconds =~ ^[0-9]{1,4}$ ]] || fail $EXIT_USAGE "--wait takes a number of seconds"
  [[ -z $for_seconds || $for_seconds =~ ^[0-9]{1,6}$ ]] || fail $EXIT_USAGE "--for takes a number of seconds"
  [[ -z $provider || $provider =~ ^[a-z0-9][a-z0-9_-]*$ ]] || fail $EXIT_USAGE "--provider takes a provider's name"
  [[ $reason != *[[:cntrl:]]* ]] || fail $EXIT_USAGE "the reason must be one line"
  case "$action" in
    activate)
      [[ $reason == *[![:space:]]* ]] || fail $EXIT_USAGE 'say why: activate "reason"'
      [ -z "$offline" ] || run_offline
      activate ;;
    deactivate)
      reason="${reason:-deactivated with scbe-kill-switch.sh}"
      [ -z "$offline" ] || run_offline
      deactivate ;;
    status) show_status ;;
    -h | --help | help) usage ;;
    "") usage >&2 && exit $EXIT_USAGE ;;
    *) fail $EXIT_USAGE "$action is none of activate, deactivate, status" ;;
  esac
}

needs_value() { # option, value
  [ $# -ge 2 ] || fail $EXIT_USAGE "$1 needs a value"
}

activate() {
  take_token EMERGENCY_TOKEN || take_token ADMIN_TOKEN ||
    fail $EXIT_USAGE "set EMERGENCY_TOKEN or ADMIN_TOKEN, or one of them with _FILE to the file that holds it"
  order true ",\"cause\":\"$cause\""
  printf 'the kill switch %sis engaged: %s\n' "${provider:+of $provider }" "$reason"
  confirm off
}

deactivate() {
  take_token ADMIN_TOKEN || fail $EXIT_USAGE "set ADMIN_TOKEN or ADMIN_TOKEN_FILE; EMERGENCY_TOKEN cannot release"
  order false ""
  printf 'the kill switch %sis released\n' "${provider:+of $provider }"
  confirm on
}

order() { # enabled, more fields
  local of_provider="${provider:+,\"provider\":\"$provider\"}"
  ask POST /feature-flags \
    "{\"scbe_kill_switch\":{\"enabled\":$1,\"reason\":\"$(escaped "$reason")\"$2$of_provider}}" "$TOKEN"
  [ "$STATUS" = 200 ] || refused
  print_warnings
}

# Until /health/scbe shows it, and every verifier that is not silent has said that it holds it. Of a silent one nobody knows.
confirm() { # on or off
  local deadline=$((SECONDS + wait_seconds)) line=""
  while :; do
    ask GET /health/scbe "" ""
    [ "$STATUS" = 200 ] || refused
    local mode total converged stale
    mode="$(mode_shown)"
    total="$(number_of total)" converged="$(number_of converged)" stale="$(number_of stale)"
    line="mode $mode, confirmed by $converged of $total verifiers, $stale silent"
    if is_shown "$1" "$mode" && [ $((converged + stale)) -ge "$total" ]; then
      [ "$stale" = 0 ] || fail $EXIT_UNCONFIRMED "$line; a silent verifier is gone, or cut off and does as it did"
      printf '%s\n' "$line"
      [ "$total" != 0 ] || printf 'no verifier has asked this controller yet; another one may lead\n'
      return
    fi
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep 0.2
  done
  fail $EXIT_UNCONFIRMED "after $wait_seconds s: $line"
}

# Flags, or another kill, may keep it off after a release; status tells.
is_shown() { # on or off, mode
  [ "$1" = on ] || [ "$2" != enforced ]
}

mode_shown() {
  local pattern='^[{]"envelope_verification_enabled":[a-z]+,"envelope_mode":"([a-z]+)"'
  [ -z "$provider" ] || pattern="\"$provider\":[{]\"envelope_mode\":\"([a-z]+)\""
  if [[ $BODY =~ $pattern ]]; then printf '%s' "${BASH_REMATCH[1]}"; else printf unknown; fi
}

show_status() {
  ask GET /health/scbe "" ""
  [ "$STATUS" = 200 ] || refused
  if [ -n "$json" ]; then
    printf '%s\n' "$BODY"
    return
  fi
  local enabled=no reason_pattern='"kill_switch":[{]"enabled":true,"reason":"(([^"\\]|\\.)*)"'
  [[ $BODY != *'"envelope_verification_enabled":true'* ]] || enabled=yes
  printf 'verified     %s\nmode         %s\n' "$enabled" "$(mode_shown)"
  [[ ! $BODY =~ $reason_pattern ]] || printf 'kill switch  engaged: %s\n' "$(unescaped "${BASH_REMATCH[1]}")"
  local rest="$BODY" provider_pattern='"([a-z0-9_-]+)":[{]"envelope_mode":"([a-z]+)","traffic_percentage":([0-9]+)[}]'
  while [[ $rest =~ $provider_pattern ]]; do
    printf '%-12s %s, %s %%\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
    rest="${rest#*"${BASH_REMATCH[0]}"}"
  done
  printf 'generation   %s\nverifiers    %s, of them %s hold it, %s silent\n' \
    "$(number_of generation)" "$(number_of total)" "$(number_of converged)" "$(number_of stale)"
}

# Sets TOKEN to the value of the environment or of its file; false when there is none. A line end at its end is not part of it.
take_token() { # name
  local file_name="${1}_FILE" token="${!1:-}"
  if [ -z "$token" ] && [ -n "${!file_name:-}" ]; then
    [ -r "${!file_name}" ] || fail $EXIT_USAGE "$file_name names a file that cannot be read: ${!file_name}"
    token="$(<"${!file_name}")"
  fi
  [ -n "$token" ] || return 1
  [[ $token =~ ^[[:graph:]]+$ ]] || fail $EXIT_USAGE "$1 has spaces or control characters in it"
  TOKEN="$token"
}

# Sets STATUS and BODY. The token goes to curl's standard input: arguments are for everybody on this machine to read.
ask() { # method, path, body, token
  local answer code=0
  answer="$(
    {
      [ -z "$4" ] || printf 'header = "Authorization: Bearer %s"\n' "$(escaped "$4")"
      [ -z "$3" ] || printf 'header = "Content-Type: application/json"\ndata-raw = "%s"\n' "$(escaped "$3")"
    } | curl -q --silent --show-error --connect-timeout 5 --max-time 15 --proto '=http,https' \
      --request "$1" --write-out '\n%{http_code}' --config - "$URL$2" 2>&1
  )" || code=$?
  if [ "$code" -ne 0 ]; then
    fail $EXIT_UNREACHABLE "no controller at $URL: ${answer%%$'\n'*}
  is SCBE_CONTROL_URL right? Without any controller: --offline, with SCBE_CONTROL_SEED_FILE"
  fi
  STATUS="${answer##*$'\n'}" BODY="${answer%$'\n'*}"
}

refused() {
  local title="$BODY" pattern='"title":"(([^"\\]|\\.)*)"'
  [[ ! $BODY =~ $pattern ]] || title="$(unescaped "${BASH_REMATCH[1]}")"
  fail $EXIT_FAILED "the controller answered $STATUS: ${title:0:500}"
}

print_warnings() {
  local pattern='"warnings":\[(.*)\]' text='"(([^"\\]|\\.)*)"(.*)'
  [[ $BODY =~ $pattern ]] || return 0
  local rest="${BASH_REMATCH[1]}"
  while [[ $rest =~ $text ]]; do
    rest="${BASH_REMATCH[3]}"
    printf 'warning: %s\n' "$(unescaped "${BASH_REMATCH[1]}")" >&2
  done
}

number_of() { # name
  local pattern="\"$1\":([0-9]+)"
  if [[ $BODY =~ $pattern ]]; then printf '%s' "${BASH_REMATCH[1]}"; else printf 0; fi
}

# As JSON and curl's configuration have it between quotes.
escaped() {
  local text="${1//\\/\\\\}"
  printf '%s' "${text//\"/\\\"}"
}

unescaped() {
  local text="${1//\\\"/\"}"
  printf '%s' "${text//\\\\/\\}"
}

run_offline() {
  [ -z "$provider" ] || fail $EXIT_USAGE "--offline is for everything; leave out --provider"
  command -v node >/dev/null || fail $EXIT_USAGE "--offline needs Node 24 on the PATH"
  local program
  program="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/services/rollback-controller/src/offline.ts"
  local arguments=("$action" "$reason")
  [ "$cause" = availability ] || arguments+=(--integrity)
  [ -z "$for_seconds" ] || arguments+=(--for "$for_seconds")
  [ -z "$json" ] || arguments+=(--json)
  exec node "$program" "${arguments[@]}"
}

STATUS="" BODY="" TOKEN=""
main "$@"

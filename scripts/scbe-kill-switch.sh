#!/usr/bin/env bash
# Engages, releases and shows the kill switch through the control API. Needs bash and curl; `--offline` needs Node 24.
{ set +x; } 2>/dev/null # a trace would show the token
set -euo pipefail
export LC_ALL=C

readonly EXIT_REFUSED=1 EXIT_USAGE=2 EXIT_NO_ANSWER=3 EXIT_UNCONFIRMED=4
readonly URL="${SCBE_CONTROL_URL:-http://127.0.0.1:7100}"
readonly SECRET_BYTES_MAX=65536
# What is blank in Unicode beside ASCII's own, as UTF-8: no-break and other spaces, line and paragraph separators, a byte order mark.
readonly BLANKS=($'\xc2\xa0' $'\xe1\x9a\x80' $'\xe2\x80\xa8' $'\xe2\x80\xa9' $'\xe2\x80\xaf' $'\xe2\x81\x9f' $'\xe3\x80\x80' $'\xef\xbb\xbf'
  $'\xe2\x80\x80' $'\xe2\x80\x81' $'\xe2\x80\x82' $'\xe2\x80\x83' $'\xe2\x80\x84' $'\xe2\x80\x85' $'\xe2\x80\x86' $'\xe2\x80\x87'
  $'\xe2\x80\x88' $'\xe2\x80\x89' $'\xe2\x80\x8a')

usage() {
  cat <<'TEXT'
usage: scbe-kill-switch.sh activate "reason" [--integrity] [--provider NAME] [--wait SECONDS]
       scbe-kill-switch.sh activate "reason" --offline [--integrity] [--for SECONDS]
       scbe-kill-switch.sh deactivate ["reason"] [--provider NAME] [--offline] [--wait SECONDS]
       scbe-kill-switch.sh status [--json]

  activate      takes SCBE out of the path; comes back when the verifiers have confirmed it
  deactivate    puts it back
  status        shows what is in force, and needs no token

  --integrity      traffic is refused; without it, it goes unsealed where an administrator has chosen that beforehand
  --provider NAME  this provider alone
  --wait SECONDS   for the controller's answer, and again for the verifiers' confirmation; default 10
  --offline        without a controller: signs with SCBE_CONTROL_SEED_FILE for SCBE_ENVIRONMENT, publishes on NATS_URL as the user operator
                   (NATS_NKEY_SEED_FILE or NATS_CREDS), and stores as control.offline (NATS_STORE_NKEY_SEED_FILE or NATS_STORE_CREDS);
                   takes no --provider
  --for SECONDS    how long the offline command goes on publishing
  --json           the controller's own answer

  SCBE_CONTROL_URL      the controller; default http://127.0.0.1:7100
  SCBE_CONTROL_CA_FILE  certificates (PEM) that an https controller's must chain to; default the system's
  EMERGENCY_TOKEN       may activate;                 or EMERGENCY_TOKEN_FILE, a file that holds it
  ADMIN_TOKEN           may activate and deactivate;  or ADMIN_TOKEN_FILE

The offline command with the files that scripts/issue-credentials.ts has made; operator.env has SCBE_ENVIRONMENT and NATS_NKEY_SEED_FILE:
  NATS_URL=tls://nats-0:4222 NATS_TLS_CA=/secure/ca.crt SCBE_CONTROL_SEED_FILE=/secure/scbe-prod/control.signing.seed \
    NATS_STORE_NKEY_SEED_FILE=/secure/scbe-prod/control.offline.seed \
    node --env-file=/secure/scbe-prod/operator.env services/rollback-controller/src/offline.ts activate "reason"

exit codes:
  0  done, and confirmed by the verifiers of all users
  1  the controller refused it, and says why
  2  wrong usage: nothing was sent
  3  no controller answered; the message says whether it may have been taken all the same
  4  done, but not confirmed by the verifiers of all users in time
With --offline: 0 sent, 1 failed, 2 wrong usage, 78 misconfigured; nothing is confirmed. 1 also where SCBE_ENVIRONMENT or the key is that
of another deployment: then nothing is sent.
TEXT
}

fail() { # code, text
  printf 'scbe-kill-switch: %s\n' "$2" >&2
  exit "$1"
}

main() {
  local action="" reason="" provider="" cause="availability" offline="" json="" for_seconds="" wait_seconds=10
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
      *) if [ -z "$action" ]; then
           action="$1"
         else
           [ -z "$reason" ] || fail $EXIT_USAGE "there are two reasons; put the reason in quotes"
           reason="$1"
         fi ;;
    esac
    shift
  done
  [[ $wait_seconds =~ ^[0-9]{1,4}$ ]] || fail $EXIT_USAGE "--wait takes a number of seconds"
  wait_seconds=$((10#$wait_seconds))
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
    help) usage ;;
    "") usage >&2 && exit $EXIT_USAGE ;;
    *) fail $EXIT_USAGE "$action is none of activate, deactivate, status" ;;
  esac
}

needs_value() { # option, value
  [ $# -ge 2 ] && [ -n "$2" ] || fail $EXIT_USAGE "$1 needs a value"
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
  if [[ $BODY == *'"kill_switch_released":false'* ]]; then
    printf 'nothing was engaged: no kill of %s stood\n' "${provider:-everything}"
  else
    printf 'the kill switch %sis released\n' "${provider:+of $provider }"
  fi
  confirm on
}

# A kill that is ordered twice is one kill, so it is ordered again until it was heard. A release is not: a kill may have come in between.
order() { # enabled, more fields
  local of_provider="${provider:+,\"provider\":\"$provider\"}" deadline=$((SECONDS + wait_seconds))
  local body="{\"scbe_kill_switch\":{\"enabled\":$1,\"reason\":\"$(escaped "$reason")\"$2$of_provider}}"
  while :; do
    ask POST /feature-flags "$body" "$TOKEN"
    [ "$STATUS" != 200 ] || break
    may_ask_again "$1" && [ "$SECONDS" -lt "$deadline" ] || not_done
    sleep 0.3
  done
  GENERATION="$(number_of generation)"
  print_warnings
}

may_ask_again() { # enabled
  case "$STATUS" in
    429) return 0 ;;
    408 | 5??) [ "$1" = true ] ;;
    # Without a connection nothing was sent, and another try does not help: no such name, no listener, a certificate that is not trusted.
    000) [ "$1" = true ] && [[ $CURL_CODE =~ ^(18|28|35|52|55|56)$ ]] ;;
    *) return 1 ;;
  esac
}

# Until /health/scbe shows it, and the verifiers of all users have said that they hold it. Of a silent one nothing is known, and it
# is not waited for. A controller that could not read which verifiers there were may be able to in a moment.
confirm() { # on or off
  local deadline=$((SECONDS + wait_seconds)) line="" pause=0.2 mode users
  while :; do
    ask GET /health/scbe "" "$TOKEN"
    if [ "$STATUS" = 200 ]; then
      mode="$(mode_shown)"
      read_users
      users=$((CONVERGED + BEHIND + SILENT + UNKNOWN))
      line="mode $mode, confirmed by $CONVERGED of $users users$(named behind)$(named silent)$(named unknown "not known")"
      if is_shown "$1" "$mode"; then
        if [ "$users" -eq 0 ]; then
          line="mode $mode; no verifier has asked this controller yet"
        elif [ "$CONFIRMED" = true ]; then
          printf '%s%s\n' "$line" "$(named absent)"
          return
        elif [ "$HEARS$BEHIND$UNKNOWN" = all00 ]; then
          fail $EXIT_UNCONFIRMED "done, but not confirmed: $line; a silent verifier is gone, or cut off and does as it did"
        fi
      fi
    else
      HEARS="" line="$(what_was_answered)"
    fi
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep $pause
    pause=0.5
  done
  case "$HEARS" in
    none) line="mode $mode; this controller does not lead, and hears no verifier: ask the one that leads" ;;
    some) line="$line; this controller leads only since a moment ago: status tells more" ;;
    all) [ "$UNKNOWN" -eq 0 ] || line="$line; this controller could not read which verifiers were heard before it led: its /readyz tells more" ;;
  esac
  fail $EXIT_UNCONFIRMED "done, but not confirmed after $wait_seconds s: $line"
}

# Sets CONFIRMED, HEARS and how many users there are in each state.
read_users() {
  local n='([0-9]+)' pattern
  pattern="\"users\":[{]\"confirmed\":([a-z]+),\"hears\":\"([a-z]+)\",\"converged\":$n,\"behind\":$n,\"silent\":$n,\"absent\":$n(,\"unknown\":$n)?"
  CONFIRMED=false HEARS=none CONVERGED=0 BEHIND=0 SILENT=0 ABSENT=0 UNKNOWN=0
  [[ ! $BODY =~ $pattern ]] ||
    CONFIRMED="${BASH_REMATCH[1]}" HEARS="${BASH_REMATCH[2]}" CONVERGED="${BASH_REMATCH[3]}" \
      BEHIND="${BASH_REMATCH[4]}" SILENT="${BASH_REMATCH[5]}" ABSENT="${BASH_REMATCH[6]}" UNKNOWN="${BASH_REMATCH[8]:-0}"
}

# The users in that state, as `; silent: gateway-xai, orchestrator`; nothing where there are none.
named() { # state, as it is called
  local rest="$BODY" names="" count=0 pattern="\"([a-z0-9_-]+)\":[{][^{}]*\"state\":\"$1\"[}]"
  while [[ $rest =~ $pattern ]]; do
    rest="${rest#*"${BASH_REMATCH[0]}"}"
    count=$((count + 1))
    [ "$count" -gt 10 ] || names="$names, ${BASH_REMATCH[1]}"
  done
  [ "$count" -le 10 ] || names="$names and $((count - 10)) more"
  [ -z "$names" ] || printf '; %s: %s' "${2:-$1}" "${names#, }"
}

# Flags, or another kill, may keep it off after a release; status tells.
is_shown() { # on or off, mode
  [ "$(number_of generation)" -ge "$GENERATION" ] && { [ "$1" = on ] || [ "$2" != enforced ]; }
}

mode_shown() {
  local pattern='^[{]"envelope_verification_enabled":[a-z]+,"envelope_mode":"([a-z]+)"'
  [ -z "$provider" ] || pattern="\"$provider\":[{]\"envelope_mode\":\"([a-z]+)\""
  if [[ $BODY =~ $pattern ]]; then printf '%s' "${BASH_REMATCH[1]}"; else printf unknown; fi
}

show_status() {
  take_token EMERGENCY_TOKEN || take_token ADMIN_TOKEN || TOKEN=""
  ask GET /health/scbe "" "$TOKEN"
  [ "$STATUS" = 200 ] || not_done
  if [ -n "$json" ]; then
    printf '%s\n' "$BODY"
    return
  fi
  local enabled=no
  [[ $BODY != *'"envelope_verification_enabled":true'* ]] || enabled=yes
  printf 'verified     %s\nmode         %s\n' "$enabled" "$(mode_shown)"
  ! read_kill kill_switch || printf 'kill switch  engaged: %s\n             (%s), since %s\n' "$KILL_REASON" "$KILL_CAUSE" "$KILL_SINCE"
  show_providers
  printf 'generation   %s\nverifiers    %s, of them %s hold it, %s silent\n' \
    "$(number_of generation)" "$(number_of total)" "$(number_of converged)" "$(number_of stale)"
  read_users
  printf 'users        %s hold it%s%s%s%s\n' "$CONVERGED" \
    "$(named behind)" "$(named silent)" "$(named unknown "not known")" "$(named absent)"
}

show_providers() {
  local rest="$BODY" name mode share pattern='"([a-z0-9_-]+)":[{]"envelope_mode":"([a-z]+)","traffic_percentage":([0-9]+)[}]'
  while [[ $rest =~ $pattern ]]; do
    rest="${rest#*"${BASH_REMATCH[0]}"}"
    name="${BASH_REMATCH[1]}" mode="${BASH_REMATCH[2]}" share="${BASH_REMATCH[3]}"
    if read_kill "$name"; then
      printf '%-12s %s: killed (%s), "%s", since %s\n' "$name" "$mode" "$KILL_CAUSE" "$KILL_REASON" "$KILL_SINCE"
    else
      printf '%-12s %s, %s %%\n' "$name" "$mode" "$share"
    fi
  done
}

# Sets KILL_REASON, KILL_CAUSE and KILL_SINCE to those of the kill of a provider, or of everything (kill_switch); false when there is none.
read_kill() { # name
  local pattern='"'"$1"'":[{]"enabled":true,"reason":"(([^"\\]|\\.)*)"(,"mode":"[a-z]+")?,"cause":"([a-z]+)","since":"([^"]+)"'
  [[ $BODY =~ $pattern ]] || return 1
  KILL_REASON="$(unescaped "${BASH_REMATCH[1]}")" KILL_CAUSE="${BASH_REMATCH[4]}" KILL_SINCE="${BASH_REMATCH[5]}"
}

# Sets TOKEN to the value of the environment or of its file, as the services read them; false when there is none.
take_token() { # name
  local file_name="${1}_FILE" token="${!1:-}"
  local file="${!file_name:-}"
  if [ -n "$file" ]; then
    [ -z "$token" ] || fail $EXIT_USAGE "$1 is set, and $file_name too; set one of them"
    read_secret "$file_name" "$file"
    token="$SECRET"
  fi
  [ -n "$token" ] || return 1
  [[ $token =~ ^[[:graph:]]+$ && ${#token} -ge 16 && ${#token} -le 512 ]] ||
    fail $EXIT_USAGE "$1 does not have that form; expected 16 to 512 printable characters without spaces"
  TOKEN="$token"
}

# Sets SECRET to what a file holds, without what is blank around it.
read_secret() { # variable, file
  [ -f "$2" ] && [ -r "$2" ] || fail $EXIT_USAGE "$1 names a file that cannot be read: $2"
  # It ends at a NUL, which no secret has, or else at the file's end.
  ! IFS= read -r -d '' SECRET <"$2" || fail $EXIT_USAGE "$1 names a file that is no text: $2"
  [ "${#SECRET}" -le $SECRET_BYTES_MAX ] || fail $EXIT_USAGE "$1 names a file that is too large for a secret: $2"
  local before="" blank
  while [ "$SECRET" != "$before" ]; do
    before="$SECRET"
    SECRET="${SECRET#"${SECRET%%[![:space:]]*}"}"
    SECRET="${SECRET%"${SECRET##*[![:space:]]}"}"
    for blank in "${BLANKS[@]}"; do
      SECRET="${SECRET#"$blank"}"
      SECRET="${SECRET%"$blank"}"
    done
  done
  [ -n "$SECRET" ] || fail $EXIT_USAGE "$1 names an empty file: $2"
}

# Sets STATUS and BODY; without an answer STATUS is 000, BODY what curl says, and CURL_CODE its exit code. The token goes to curl's
# standard input: every user of the machine can read arguments.
ask() { # method, path, body, token
  local answer trust=()
  [ -z "${SCBE_CONTROL_CA_FILE:-}" ] || trust=(--cacert "$SCBE_CONTROL_CA_FILE")
  # A proxy would read the token of plain HTTP.
  case "$URL" in http://*) trust+=(--noproxy '*') ;; esac
  CURL_CODE=0
  answer="$(
    {
      [ -z "$4" ] || printf 'header = "Authorization: Bearer %s"\n' "$(escaped "$4")"
      [ -z "$3" ] || printf 'header = "Content-Type: application/json"\ndata-raw = "%s"\n' "$(escaped "$3")"
    } | curl -q --silent --show-error --connect-timeout 5 --max-time 15 --proto '=http,https' ${trust[@]+"${trust[@]}"} \
      --request "$1" --write-out '\n%{http_code}' --config - "$URL$2" 2>&1
  )" || CURL_CODE=$?
  if [ "$CURL_CODE" -ne 0 ]; then
    STATUS=000 BODY="${answer%%$'\n'*}"
    return
  fi
  STATUS="${answer##*$'\n'}" BODY="${answer%$'\n'*}"
}

not_done() {
  [ "$STATUS" = 000 ] || fail $EXIT_REFUSED "$(what_was_answered)"
  local doubt="nothing was done"
  [[ ! $CURL_CODE =~ ^(18|28|52|55|56)$ ]] || doubt="it may have been taken all the same: status tells"
  fail $EXIT_NO_ANSWER "$(what_was_answered); $doubt
  is SCBE_CONTROL_URL right? Without any controller: --offline, with SCBE_ENVIRONMENT and SCBE_CONTROL_SEED_FILE"
}

what_was_answered() {
  local title="$BODY" pattern='"title":"(([^"\\]|\\.)*)"'
  if [ "$STATUS" = 000 ]; then
    printf 'no controller answered at %s: %s' "$URL" "$BODY"
    return
  fi
  [[ ! $BODY =~ $pattern ]] || title="$(unescaped "${BASH_REMATCH[1]}")"
  printf 'the controller answered %s: %s' "$STATUS" "${title:0:500}"
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

STATUS="" BODY="" CURL_CODE=0 TOKEN="" SECRET="" GENERATION=0 KILL_REASON="" KILL_CAUSE="" KILL_SINCE="" CONFIRMED="" HEARS="" CONVERGED=0 BEHIND=0 SILENT=0 ABSENT=0 UNKNOWN=0
main "$@"

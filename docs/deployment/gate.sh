#!/bin/sh
# Asks heldout's API for the verdict on one target, and exits as `heldout gate` does.
#
#   HELDOUT_URL=https://heldout.internal HELDOUT_TOKEN=… sh gate.sh TARGET [--suite S] [--max-age 8d] [--fail-on rollback]
#
# The verdict's JSON goes to standard output, one line about it to standard error.
# Exit codes: 0 pass, 1 heldout cannot be asked, 2 wrong usage, token or name, 3 investigate, 4 inconclusive (stale and
# never measured, too), 5 rollback. With --fail-on rollback: 0 below rollback, so that only 1, 2 and 5 stop a pipeline.
set -eu

usage() {
    echo "gate.sh: $1; usage: gate.sh TARGET [--suite S] [--max-age 8d] [--fail-on rollback]" >&2
    exit 2
}

target='' suite='' max_age='8d' fail_on=''
while [ $# -gt 0 ]; do
    case $1 in
        --suite | --max-age | --fail-on)
            [ $# -ge 2 ] || usage "$1 needs a value"
            case $1 in
                --suite) suite=$2 ;;
                --max-age) max_age=$2 ;;
                --fail-on) fail_on=$2 ;;
            esac
            shift 2
            ;;
        -*) usage "unknown option $1" ;;
        *)
            [ -z "$target" ] || usage "one target only"
            target=$1
            shift
            ;;
    esac
done

[ -n "$target" ] || usage "no target"
[ -n "${HELDOUT_URL:-}" ] || usage "HELDOUT_URL is not set"
case $fail_on in '' | rollback) ;; *) usage "--fail-on knows only rollback" ;; esac
# The target becomes part of the address as it stands.
case $target in *[!A-Za-z0-9._-]* | . | ..) usage "the target has characters that no address may hold" ;; esac

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
trap 'exit 1' HUP INT TERM

# The token goes in by standard input: a command line can be read by everybody on the machine.
headers() {
    echo 'Accept: application/json'
    [ -z "${HELDOUT_TOKEN:-}" ] || printf 'Authorization: Bearer %s\n' "$HELDOUT_TOKEN"
}

set -- --get --data-urlencode "max_age=$max_age"
[ -z "$suite" ] || set -- "$@" --data-urlencode "suite=$suite"
status=$(headers | curl --silent --show-error --proto '=http,https' --max-time 30 --retry 3 --retry-max-time 60 \
    --header @- --output "$answer" --write-out '%{http_code}' "$@" \
    "${HELDOUT_URL%/}/api/v1/verdicts/$target") || {
    echo "gate.sh: heldout cannot be reached at $HELDOUT_URL" >&2
    exit 1
}

case $status in
    200) ;;
    5??)
        echo "gate.sh: heldout answered $status: $(cat "$answer")" >&2
        exit 1
        ;;
    *)
        echo "gate.sh: heldout answered $status: $(cat "$answer")" >&2
        exit 2
        ;;
esac

cat "$answer"
echo
# Only a key of the object itself reads like this: inside of texts every quotation mark has a backslash before it.
verdict=$(sed -n 's/.*[{,] *"verdict": *"\([a-z]*\)".*/\1/p' "$answer")
case $verdict in
    pass) code=0 ;;
    investigate) code=3 ;;
    inconclusive) code=4 ;;
    rollback) code=5 ;;
    *)
        echo "gate.sh: the answer holds no verdict: is $HELDOUT_URL heldout?" >&2
        exit 1
        ;;
esac
echo "heldout: $target${suite:+, $suite}: $verdict" >&2
[ "$fail_on" != rollback ] || [ "$code" -eq 5 ] || code=0
exit "$code"

#!/bin/sh
# Asks a running api thousands of questions made from its own description, and fails when one answer is a 5xx, has a status
# that is not described, or a body or header of another shape. First with whatever ids come to mind, then about a job there is.
#
#   pip install schemathesis
#   tests/openapi/fuzz.sh http://127.0.0.1:3100 "$GH_SERVICE_SECRET" [more options of schemathesis]
#
# Use a database of its own: the questions write jobs and delete sessions. Nobody must take the jobs (no dispatcher).
set -eu
api=${1:?the address of the api} key=${2:?the key of the service}
shift 2
user=00000000-0000-4000-8000-000000000001
job=$(curl -sf "$api/api/v1/gh/jobs" -H "X-GH-Service-Key: $key" -H 'Content-Type: application/json' -d "{\"user_id\": \"$user\",
  \"job_type\": \"apply\", \"target_url\": \"https://jobs.example.com/1\", \"task_description\": \"Apply\"}" | sed 's/.*"id":"\([^"]*\)".*/\1/')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
: > "$folder/any.toml"
printf '[parameters]\n"path.id" = "%s"\n"path.user" = "%s"\n"query.user_id" = "%s"\n' "$job" "$user" "$user" > "$folder/known.toml"

# The stream never ends by itself; it has tests of its own (api/tests/it/stream.rs).
ask() {
  config=$1
  shift
  schemathesis --config-file "$folder/$config.toml" run "$api/openapi.json" --url "$api" --header "X-GH-Service-Key: $key" \
    --exclude-path '/api/v1/gh/jobs/{id}/events/stream' \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,ignored_auth,missing_required_header \
    --seed 1 --workers 1 --request-timeout 20 --continue-on-failure "$@"
}
ask any --phases examples,coverage,fuzzing,stateful --max-examples 250 "$@"
ask known --phases coverage,fuzzing --max-examples 50 --include-path-regex '\{(id|user)\}|/sessions|/jobs$' "$@"

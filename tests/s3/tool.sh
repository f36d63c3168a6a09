#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tool.sh [COMMAND...] - bvolctl with a repository in the bucket that the environment names: S3_ENDPOINT,
# S3_BUCKET, S3_REGION and the credentials, as tests/s3/server.py --run and tests/s3/radosgw set them.
# Then COMMAND, in the same environment.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
export PATH=$PWD/build/tools/bvolctl:$PATH no_proxy='*'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
repo="s3://$S3_BUCKET/a/repository?endpoint=$S3_ENDPOINT&region=$S3_REGION"
failed=0

# check TEXT COMMAND...: does it succeed?
check() {
	local text=$1
	shift
	if "$@" >"$dir/log" 2>&1; then
		echo "ok - $text"
	else
		echo "not ok - $text"
		sed 's/^/# /' "$dir/log"
		failed=1
	fi
}

# refused TEXT WORDS COMMAND...: does it fail, with a sentence that has these words, and no secret?
refused() {
	local text=$1 words=$2
	shift 2
	if ! "$@" >"$dir/log" 2>&1 && grep -q -- "$words" "$dir/log" && ! grep -qF "$secret" "$dir/log"; then
		echo "ok - $text"
	else
		echo "not ok - $text"
		sed 's/^/# /' "$dir/log"
		failed=1
	fi
}

b() {
	bvolctl "$@" --key-file "$dir/key" --s3-credentials "$dir/credentials"
}

id=$AWS_ACCESS_KEY_ID
# Credentials come from a file; the environment has none.
secret=$AWS_SECRET_ACCESS_KEY
(
	umask 077
	printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$secret" \
		>"$dir/credentials"
	sed 's/= .*/= wrong/' "$dir/credentials" >"$dir/wrong"
	head -c 32 /dev/urandom >"$dir/key"
)
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

# A volume of 90 MiB that does not compress, with holes; then a page in every hundredth chunk changes.
head -c 60M /dev/urandom >"$dir/v1"
truncate -s 90M "$dir/v1"
head -c 1234567 /dev/urandom >>"$dir/v1"
cp "$dir/v1" "$dir/v2"
for i in 1 100 500 900; do
	dd if=/dev/urandom of="$dir/v2" bs=4096 seek=$((i * 16)) count=1 conv=notrunc status=none
done

refused "there is no repository yet" "there is no repository" b repo show "$repo"
refused "credentials are wanted" "credentials" bvolctl repo show "$repo" --key-file "$dir/key"
refused "wrong ones are refused" "(HTTP 403\|(InvalidAccessKeyId" bvolctl repo show "$repo" --key-file "$dir/key" \
	--s3-credentials "$dir/wrong"
refused "a bucket that is not there is named" "no such bucket" b repo create \
	"s3://no-such-bucket/x?endpoint=$S3_ENDPOINT&region=$S3_REGION"
refused "an address with a password is not taken" "credentials=FILE" b repo create "s3://key:$secret@bucket/x"
check "repo create" b repo create "$repo"
refused "not twice" "something" b repo create "$repo"
check "backup create" b backup create --from "$dir/v1" --name one --repo "$repo"
check "backup create with a parent" b backup create --from "$dir/v2" --name two --repo "$repo" --parent one
check "the second one stored what changed" test "$(b backup show two --repo "$repo" --json | jq .added)" -lt 1000000
for i in 1 2; do
	name=$([ $i = 1 ] && echo one || echo two)
	check "backup verify $name" b backup verify "$name" --repo "$repo"
	check "backup restore $name" b backup restore "$name" --repo "$repo" --to "$dir/out$i"
	check "it is what was backed up" cmp "$dir/v$i" "$dir/out$i"
done
b backup cat two --repo "$repo" --offset 6553600 --length 65536 >"$dir/piece"
check "backup cat" cmp "$dir/piece" <(dd if="$dir/v2" bs=65536 skip=100 count=1 status=none)
check "repo scrub" b repo scrub "$repo"
check "backup delete" b backup delete one --repo "$repo"
check "repo gc" b repo gc "$repo"
check "the other one is whole" b backup verify two --repo "$repo"
check "backup delete, the last one" b backup delete two --repo "$repo"
check "repo gc of everything" b repo gc "$repo"
check "nothing is left" test "$(b repo show "$repo" --json | jq '.packs + .backups + .writers')" = 0
check "the key opens it still" b repo key "$repo"
if [ $# -gt 0 ]; then
	AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret "$@" || failed=1
fi
exit $failed

#!/bin/sh
# The quick form of test/fault/flips.sh: a few flips in every kind of file.
export FLIPS="${FLIPS:-9}"
exec sh "$(dirname "$0")/../fault/flips.sh" files caches saes exported half studies

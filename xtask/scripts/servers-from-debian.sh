#!/usr/bin/env bash
# Installs the database servers tests start: PostgreSQL and MariaDB, from Debian's packages (Ubuntu
# has the same). Only what is missing is installed, and no service is started: tests run servers of
# their own, in folders of their own.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/sbin:/sbin"

packages=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || packages+=(postgresql)
command -v mariadbd >/dev/null || packages+=(mariadb-server)
command -v mariadb >/dev/null || packages+=(mariadb-client)
command -v setpriv >/dev/null || packages+=(util-linux)
[ ${#packages[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "this machine has no apt-get: install PostgreSQL (15 or later) and MariaDB (10.11 or later) with their clients" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "only root may install packages; ask an administrator for: apt-get install ${packages[*]}" >&2
        exit 1
    fi
    as_root=(sudo --preserve-env=DEBIAN_FRONTEND)
fi

# Debian's way of saying that services are not to be started; ours only while packages go in.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 0755 /dev/stdin "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
install=("${as_root[@]}" apt-get install --quiet --yes --no-install-recommends "${packages[@]}")
# The lists of packages may be missing or old.
"${install[@]}" || { "${as_root[@]}" apt-get update --quiet && "${install[@]}"; }

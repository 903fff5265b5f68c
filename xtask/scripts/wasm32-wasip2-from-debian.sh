#!/usr/bin/env bash
# Installs the wasm32-wasip2 standard library where rustup's server is out of reach but Debian's
# packages and crates.io are not. Debian carries the exact source of each Rust release (rust-src)
# and the WASI C library (wasi-libc); std is built once from them with the toolchain at hand and
# laid where rustc looks for a target. Nothing else on the machine changes.
set -euo pipefail

target=wasm32-wasip2
lib="$(rustc --print sysroot)/lib/rustlib/$target/lib"
release="$(rustc --version | cut -d' ' -f2)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial "$work"/archives/partial "$work"/root

# More suites of the mirror this machine already uses, in an apt state of our own.
mirror="$(apt-get indextargets --format '$(SITE) $(RELEASE)' | grep -v security | cut -d' ' -f1 | sort -u | grep -m1 -E '/debian/?$')"
for suite in trixie-backports trixie forky sid; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$work/sources.list"
options=(
    -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=-"
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work"
    -o "APT::Get::List-Cleanup=0" -o "APT::Sandbox::User=root"
)
apt-get "${options[@]}" update -qq

newest() { apt-cache "${options[@]}" madison "$1" | cut -d'|' -f2- | grep -m1 -E "$2" | cut -d'|' -f1 | tr -d ' '; }
source_version="$(newest rust-src " ${release}\+" || true)"
if [ -z "$source_version" ]; then
    echo "no Debian suite carries rust-src $release; run: rustup target add $target" >&2
    exit 1
fi
libc_version="$(newest wasi-libc 'trixie-backports')"
(
    cd "$work"
    apt-get "${options[@]}" download -qq "rust-src=$source_version" "wasi-libc=$libc_version"
    for package in ./*.deb; do dpkg -x "$package" root; done
)

cp -r "$work/root/usr/src/rustc-$release/library" "$work/library"
rm -rf "$work/library/vendor" # an incomplete set; cargo fetches what the lock file names
wasi="$work/root/usr/lib/$target"
(
    cd "$work/library"
    export RUSTC_BOOTSTRAP=1
    export RUSTFLAGS="-Zforce-unstable-if-unmarked -Cembed-bitcode=yes -Lnative=$wasi"
    cargo build --quiet --release --target "$target" -p sysroot --features panic-unwind,backtrace
)

mkdir -p "$lib/self-contained"
cp "$wasi"/crt1-command.o "$wasi"/crt1-reactor.o "$wasi"/libc.a "$lib/self-contained/"
cp "$work/library/target/$target/release/deps/"*.rlib "$lib/"
echo "$target: built from rust-src $source_version"

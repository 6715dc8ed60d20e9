# Sources of CPython and of the libraries under it: Debian's copies of the upstream tarballs through
# apt-get, and sqlite from inside a crate through cargo. Every file is pinned by hash.
#   PLAYPEN_SOURCES=DIR   take Python-3.13.5.tar.xz, zlib-1.3.1.tar.gz, bzip2-1.0.8.tar.gz and
#                         xz-5.8.1.tar.xz from DIR instead of through apt-get
. "$SRC/steps/lib.sh"
. "$SRC/python/pins.sh"

# A private apt state with one deb-src line; the mirror is the one that this machine already uses.
private_apt() {
  local state=$WORK/apt uri
  mkdir -p "$state"/{state/lists/partial,cache/archives/partial,etc}
  # shellcheck disable=SC2016
  uri=${PLAYPEN_APT_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/$' || true)}
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri:-https://deb.debian.org/debian/} trixie main" >"$state/etc/sources.list"
  apt-get -o Dir::State="$state/state" -o Dir::State::status=/dev/null -o Dir::Cache="$state/cache" \
    -o Dir::Etc::sourcelist="$state/etc/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::main=/dev/null -o Dir::Etc::parts=/dev/null -o APT::Sandbox::User=root \
    -o Acquire::Languages=none "$@"
}

# --only-source and the suite, not an exact revision: security updates move the Debian revision but
# leave the .orig tarball, whose hash is the pin. --tar-only, as a mirror may have the next revision and
# not the files of the one that its index still names.
from_apt() { # NAME PACKAGE GLOB
  mkdir -p "$WORK/$1"
  (cd "$WORK/$1" && private_apt source --download-only --tar-only --only-source -q "$2/trixie")
  # shellcheck disable=SC2086
  mv "$WORK/$1"/$3 "$OUT/$1.tar"
}

if [ -n "${PLAYPEN_SOURCES:-}" ]; then
  cp "$PLAYPEN_SOURCES"/Python-3.13.5.tar.xz "$OUT/python.tar"
  cp "$PLAYPEN_SOURCES"/zlib-1.3.1.tar.gz "$OUT/zlib.tar"
  cp "$PLAYPEN_SOURCES"/bzip2-1.0.8.tar.gz "$OUT/bzip2.tar"
  cp "$PLAYPEN_SOURCES"/xz-5.8.1.tar.xz "$OUT/xz.tar"
else
  command -v apt-get >/dev/null || die "apt-get is not here: put the four tarballs into a folder and set PLAYPEN_SOURCES"
  private_apt update -q
  from_apt python python3.13 'python3.13_*.orig.tar.xz'
  from_apt zlib zlib 'zlib_*.orig.tar.gz'
  from_apt bzip2 bzip2 'bzip2_*.orig.tar.gz'
  from_apt xz xz-utils 'xz-utils_*.orig.tar.xz'
fi
check_sha256 "$OUT/python.tar" "$SHA256_PYTHON"
case $(sha256sum "$OUT/zlib.tar" | cut -d' ' -f1) in
  "$SHA256_ZLIB_DEBIAN" | "$SHA256_ZLIB_UPSTREAM") ;;
  *) die "\`zlib.tar\` has neither of the pinned sha256" ;;
esac
check_sha256 "$OUT/bzip2.tar" "$SHA256_BZIP2"
check_sha256 "$OUT/xz.tar" "$SHA256_XZ"

# cargo's index pins the crate's own checksum.
mkdir -p "$WORK/fetch/src" "$OUT/sqlite"
: >"$WORK/fetch/src/lib.rs"
printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n%s = { version = "=%s", default-features = false }\n[workspace]\n' \
  libsqlite3-sys "$SQLITE_CRATE_VERSION" >"$WORK/fetch/Cargo.toml"
(cd "$WORK/fetch" && cargo vendor -q --versioned-dirs vendor >/dev/null)
cp "$WORK/fetch/vendor/libsqlite3-sys-$SQLITE_CRATE_VERSION"/sqlite3/{sqlite3.c,sqlite3.h,sqlite3ext.h} "$OUT/sqlite/"
check_sha256 "$OUT/sqlite/sqlite3.c" "$SHA256_SQLITE"

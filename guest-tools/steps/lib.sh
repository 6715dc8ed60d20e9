# Shared by the step scripts. The builder runs each of them with `bash STEP.sh` in the step's own
# working directory and sets:
#
#   WORK        the working directory, absolute; thrown away when the step is done
#   OUT         where results go; becomes the cache entry (so: nothing in it may name OUT or WORK)
#   SRC         our own sources, in the layout of guest-tools/
#   DEP_<STEP>  the cached result of each step this one depends on
#   SHARED      a directory for caches that steps share (the C compiler's)
#   JOBS        how many processes to run at once
set -euo pipefail

# Same bytes on every machine: fixed dates, locale and zone, and no flags from the caller's shell.
export SOURCE_DATE_EPOCH=1749600000 LC_ALL=C.UTF-8 TZ=UTC
export ZIG_GLOBAL_CACHE_DIR=$SHARED/zig-cache ZIG_LOCAL_CACHE_DIR=$SHARED/zig-cache

die() { echo "error: $*" >&2; exit 1; }

check_sha256() { # FILE SHA256
  local got
  got=$(sha256sum "$1" | cut -d' ' -f1)
  [ "$got" = "$2" ] || die "\`$(basename "$1")\` has sha256 $got, not the pinned $2"
}

# Installs hash-pinned wheels into a directory, with pip or with pip from a throw-away venv.
pip_install() { # TARGET REQUIREMENTS
  local pip=(python3 -m pip)
  if ! "${pip[@]}" --version >/dev/null 2>&1; then
    python3 -m venv "$WORK/venv"
    pip=("$WORK/venv/bin/python" -m pip)
  fi
  "${pip[@]}" install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary :all: \
    --require-hashes --target "$1" -r "$2"
}

# Unpacks a source tarball of the step `python-sources` into a directory.
unpack() { # NAME DIRECTORY
  rm -rf "$2"
  mkdir -p "$2"
  tar -C "$2" --strip-components=1 -xf "$DEP_PYTHON_SOURCES/$1.tar"
}

# Compiles C files one by one into lib<NAME>.a: the libraries' own build systems add nothing here.
compile_library() { # NAME "FLAGS" FILE...
  local name=$1 flags=$2 objects=() file
  shift 2
  mkdir -p "$WORK/obj/$name"
  for file in "$@"; do objects+=("$WORK/obj/$name/$(basename "${file%.c}").o"); done
  # shellcheck disable=SC2016
  printf '%s\n' "$@" | xargs -P "$JOBS" -I{} sh -c \
    'exec $0 -O2 -g0 -w $1 -c "$2" -o "$3/$(basename "$2" .c).o"' "$CC" "$flags" {} "$WORK/obj/$name"
  rm -f "$PREFIX/lib/lib$name.a"
  "$AR" rcsD "$PREFIX/lib/lib$name.a" "${objects[@]}"
}

# Builds zlib, bzip2, sqlite and liblzma as static libraries into PREFIX, with CC, AR and RANLIB.
python_libraries() { # [CONFIGURE-OPTION...] for liblzma
  mkdir -p "$PREFIX"/{lib,include}
  unpack zlib "$WORK/zlib"
  (
    cd "$WORK/zlib"
    compile_library z "-DHAVE_UNISTD_H -DHAVE_STDARG_H" adler32.c crc32.c deflate.c infback.c inffast.c \
      inflate.c inftrees.c trees.c zutil.c compress.c uncompr.c
    [ -f zconf.h ] || cp zconf.h.in zconf.h
    cp zlib.h zconf.h "$PREFIX/include"
  )
  unpack bzip2 "$WORK/bzip2"
  (
    cd "$WORK/bzip2"
    compile_library bz2 "-D_FILE_OFFSET_BITS=64" blocksort.c huffman.c crctable.c randtable.c compress.c \
      decompress.c bzlib.c
    cp bzlib.h "$PREFIX/include"
  )
  (
    cd "$DEP_PYTHON_SOURCES/sqlite"
    compile_library sqlite3 "-DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_COLUMN_METADATA" sqlite3.c
    cp sqlite3.h sqlite3ext.h "$PREFIX/include"
  )
  # liblzma's configure does matter: checks, filters, config.h.
  unpack xz "$WORK/xz"
  rm -rf "$WORK/obj/xz"
  mkdir -p "$WORK/obj/xz"
  cd "$WORK/obj/xz"
  PLAYPEN_CONFIGURE=1 CC=$CC AR=$AR RANLIB=$RANLIB CFLAGS="-O2 -g0 -w" "$WORK/xz/configure" -q "$@" \
    --prefix="$PREFIX" --disable-shared --enable-static --enable-threads=no --disable-xz --disable-xzdec \
    --disable-lzmadec --disable-lzmainfo --disable-lzma-links --disable-scripts --disable-doc --disable-nls \
    --disable-assembler --disable-sandbox
  make -s -j"$JOBS" -C src/liblzma install
  cd "$WORK"
}

# Points CPython's configure at the libraries in PREFIX.
use_python_libraries() {
  export ZLIB_CFLAGS="-I$PREFIX/include" ZLIB_LIBS="-L$PREFIX/lib -lz"
  export BZIP2_CFLAGS="-I$PREFIX/include" BZIP2_LIBS="-L$PREFIX/lib -lbz2"
  export LIBLZMA_CFLAGS="-I$PREFIX/include" LIBLZMA_LIBS="-L$PREFIX/lib -llzma"
  export LIBSQLITE3_CFLAGS="-I$PREFIX/include" LIBSQLITE3_LIBS="-L$PREFIX/lib -lsqlite3 ${1:-}"
}

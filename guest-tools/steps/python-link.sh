# python.wasm: the reactor of python/c over libpython.
. "$SRC/steps/lib.sh"

export PLAYPEN_C=$SRC/python/c
for file in main syscalls polling threads semaphores signals sockets errors locales time_zone databases; do
  "$DEP_ZIG/bin/python-cc" -O2 -g0 -Wall -Wno-unused-parameter -Wno-incompatible-library-redeclaration \
    -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS \
    -I"$DEP_PYTHON_CORE/include" -I"$DEP_PYTHON_LIBRARIES/include" -c "$PLAYPEN_C/$file.c" -o "$file.o"
done
# wasi-libc keeps these together with others in one archive member, so they are wrapped, not replaced.
WRAP=()
for name in __wasilibc_find_relpath_alloc chdir close open openat mkdir mkdirat chmod fchmod fchmodat clock_gettime clock_getres clock_nanosleep setlocale nl_langinfo signal PyErr_CheckSignals _PyErr_CheckSignalsTstate; do WRAP+=("--wrap=$name"); done
LIBC=()
for archive in libc libzigc libcompiler_rt; do
  [ ! -e "$DEP_ZIG/libc/$archive.a" ] || LIBC+=("$DEP_ZIG/libc/$archive.a")
done
# wasm-ld refuses undefined symbols: a function that configure wrongly found is an error here and not
# a trap at run time.
"$DEP_ZIG/bin/wasm-ld" --error-limit=0 --entry=_initialize --export-memory --stack-first -z stack-size=16777216 \
  --build-id=none --strip-all --export=__stack_pointer "${WRAP[@]}" -o "$OUT/python.wasm" "$DEP_ZIG/libc/crt1-reactor.o" main.o syscalls.o polling.o threads.o semaphores.o signals.o sockets.o errors.o locales.o time_zone.o databases.o \
  "$DEP_PYTHON_CORE"/lib/{libpython3.13,libmpdec,libHacl_Hash_SHA2,libexpat}.a \
  "$DEP_PYTHON_LIBRARIES"/lib/lib{z,bz2,lzma,sqlite3}.a "${LIBC[@]}"
ls -la "$OUT"

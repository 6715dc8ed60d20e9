# CPython for this machine from the same source as the guest: it runs the freezers and compileall of
# the guest's build, and it is what the suites and benches compare with. -O2, neither PGO nor LTO, no
# OpenSSL, no ctypes (the guest has neither); every other module, over the guest's own libraries.
. "$SRC/steps/lib.sh"

PREFIX=$WORK/prefix CC=${CC:-cc} AR=ar RANLIB=ranlib
python_libraries

unpack python "$WORK/py"
rm -rf "$WORK/build"
mkdir "$WORK/build"
cd "$WORK/build"
for module in _tkinter _ctypes _ssl _hashlib _dbm _gdbm _curses _curses_panel readline _uuid nis _crypt \
    xxlimited xxlimited_35; do
  export "py_cv_module_$module=n/a"
done
export MODULE_BUILDTYPE=static # one binary, no lib-dynload to find
use_python_libraries -lm
CC=$CC CFLAGS="-O2 -g0" CPPFLAGS="-I$PREFIX/include" LDFLAGS="-L$PREFIX/lib" ../py/configure -q \
  --disable-test-modules --without-ensurepip --without-mimalloc --with-pkg-config=no --prefix=/usr/local
make -s -j"$JOBS" python pybuilddir.txt
./python -c "import sys, struct, math, _opcode, zlib, bz2, lzma, sqlite3, decimal, _decimal; assert sys.version_info[:3] == (3, 13, 5)"

# A tree that works from wherever it is moved to: CPython finds its library beside its binary.
mkdir -p "$OUT/bin" "$OUT/lib/python3.13/lib-dynload"
cp python "$OUT/bin/python3.13"
strip "$OUT/bin/python3.13" 2>/dev/null || true
ln -s python3.13 "$OUT/bin/python3"
tar -C "$WORK/py/Lib" --exclude=__pycache__ --exclude=./test --exclude='./*/test' --exclude='./*/tests' \
  --exclude=./idlelib --exclude=./tkinter --exclude=./turtledemo --exclude=./site-packages -cf - . |
  tar -C "$OUT/lib/python3.13" -xf -
cp "$(cat pybuilddir.txt)"/_sysconfigdata_*.py "$OUT/lib/python3.13/"
sed -i "s#$WORK#/build#g" "$OUT"/lib/python3.13/_sysconfigdata_*.py
mkdir -p "$OUT/lib/python3.13/site-packages"
cp -r "$DEP_PYTHON_PACKAGES/." "$OUT/lib/python3.13/site-packages/"
rm -rf "$OUT/lib/python3.13/site-packages/bin"
"$OUT/bin/python3.13" -m compileall -q -j "$JOBS" --invalidation-mode checked-hash -s "$OUT" -p / "$OUT/lib" || true
"$OUT/bin/python3.13" -c "import pytest, sqlite3, zoneinfo"

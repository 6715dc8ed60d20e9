# The files of the Python guest: the standard library, our modules and site-packages, with .pyc.
. "$SRC/steps/lib.sh"

LIB=$OUT/usr/local/lib/python3.13
mkdir -p "$LIB/site-packages"
unpack python "$WORK/py"
cp -r "$DEP_PYTHON_PATCHES"/. "$WORK/py/"
# Left out: tests, IDLE, Tk, curses and ctypes (no C module behind them), ensurepip, venv (a stub of ours), other platforms.
tar -C "$WORK/py/Lib" --exclude=__pycache__ --exclude=./test --exclude='./*/test' --exclude='./*/tests' \
  --exclude=./idlelib --exclude=./tkinter --exclude=./turtledemo --exclude=./turtle.py --exclude=./ensurepip --exclude=./venv \
  --exclude=./ctypes --exclude=./curses --exclude=./site-packages --exclude='./_ios_support.py' \
  --exclude='./_android_support.py' --exclude='./_apple_support.py' --exclude='./_osx_support.py' \
  --exclude='./_aix_support.py' --exclude='*.exe' --exclude='*.css' -cf - . | tar -C "$LIB" -xf -
cp "$SRC"/python/lib/*.py "$SRC"/python/lib/stubs/*.py "$LIB/"
cp "$DEP_PYTHON_CORE"/_sysconfigdata_*.py "$LIB/"
# sysconfig looks for it under the name of the platform, which _gaps.py says is linux.
cp "$LIB"/_sysconfigdata__wasi_wasm32-wasi.py "$LIB"/_sysconfigdata__linux_wasm32-wasi.py
cp -r "$DEP_PYTHON_PACKAGES"/. "$LIB/site-packages/"
cp -r "$SRC"/python/site-packages/. "$LIB/site-packages/"
# As Debian has it: one of the zones that zoneinfo lists.
ln -s /etc/localtime "$LIB/site-packages/tzdata/zoneinfo/localtime"
find "$OUT" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
# Checked hashes: valid whatever a file's time is, and a changed source is noticed.
"$DEP_PYTHON_NATIVE/bin/python3.13" -m compileall -q -j "$JOBS" --invalidation-mode checked-hash -s "$OUT" -p / "$LIB"
find "$OUT" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
du -sh "$LIB" "$LIB/site-packages"

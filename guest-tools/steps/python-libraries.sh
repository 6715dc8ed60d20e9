# zlib, bzip2, sqlite and liblzma for the guest.
. "$SRC/steps/lib.sh"

export PLAYPEN_C=$SRC/python/c
PREFIX=$WORK/prefix CC=$DEP_ZIG/bin/python-cc AR=$DEP_ZIG/bin/ar RANLIB=$DEP_ZIG/bin/ranlib
python_libraries --host=wasm32-unknown-wasi --build=x86_64-pc-linux-gnu
mkdir -p "$OUT/lib"
cp "$PREFIX"/lib/*.a "$OUT/lib/"
cp -r "$PREFIX/include" "$OUT/"

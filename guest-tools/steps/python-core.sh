# libpython for the guest: configure and make, with our patches applied.
. "$SRC/steps/lib.sh"

unpack python "$WORK/py"
cp -r "$DEP_PYTHON_PATCHES"/. "$WORK/py/"
rm -rf "$WORK/build"
mkdir -p "$WORK/build/Modules"
cd "$WORK/build"
cp "$SRC/python/config/Setup.local" Modules/
cat "$WORK/py/Tools/wasm/config.site-wasm32-wasi" "$SRC/python/config/config.site" >config.site
export CONFIG_SITE=$PWD/config.site PLAYPEN_C=$SRC/python/c
export CC=$DEP_ZIG/bin/python-cc CXX=$DEP_ZIG/bin/python-cc AR=$DEP_ZIG/bin/ar RANLIB=$DEP_ZIG/bin/ranlib LD=$DEP_ZIG/bin/wasm-ld
PREFIX=$DEP_PYTHON_LIBRARIES
export CFLAGS="-O3 -g0" CPPFLAGS="-I$PREFIX/include" LDFLAGS="-L$PREFIX/lib" BLDSHARED=false
use_python_libraries
PLAYPEN_CONFIGURE=1 ../py/configure -q --host=wasm32-unknown-wasip1 --build=x86_64-pc-linux-gnu \
  --with-build-python="$DEP_PYTHON_NATIVE/bin/python3.13" --prefix=/usr/local --disable-test-modules \
  --without-ensurepip --with-pymalloc --without-mimalloc --with-pkg-config=no --disable-ipv6
grep -q '^#define WITH_PYMALLOC 1' pyconfig.h || die "configure left pymalloc out"
if grep -E '^#define (HAVE_MMAP|HAVE_FORK|HAVE_DYNAMIC_LOADING|HAVE_EPOLL|HAVE_DLOPEN) 1' pyconfig.h; then
  die "configure found what the guest does not have"
fi
ARCHIVES="libpython3.13.a Modules/_decimal/libmpdec/libmpdec.a Modules/_hacl/libHacl_Hash_SHA2.a Modules/expat/libexpat.a"
# shellcheck disable=SC2086
make -s -j"$JOBS" $ARCHIVES pybuilddir.txt

mkdir -p "$OUT/lib" "$OUT/include"
# shellcheck disable=SC2086
cp $ARCHIVES "$OUT/lib/"
cp -r "$WORK/py/Include/." "$OUT/include/"
cp pyconfig.h "$OUT/include/"
# What the build's directories are called must not reach the guest.
for file in "$(cat pybuilddir.txt)"/_sysconfigdata_*.py; do
  sed "s#$WORK#/build#g; s#$SRC#/playpen#g; s#$DEP_ZIG#/zig#g; s#$DEP_PYTHON_LIBRARIES#/build/prefix#g; s#$DEP_PYTHON_NATIVE#/build/native#g" \
    "$file" >"$OUT/$(basename "$file")"
done

# One Rust guest: GUEST is the workspace (shell, tools, git), BINARY the program in it.
# The patched crates are the result of step crates-GUEST. WORK survives an interruption, so that cargo goes on where it was.
. "$SRC/steps/lib.sh"
. "$DEP_RUST/env.sh"
export CARGO_BUILD_TARGET=wasm32-wasip1
export CC_wasm32_wasip1=$DEP_ZIG/bin/wasi-cc AR_wasm32_wasip1=$DEP_ZIG/bin/ar

rm -rf patched sources
crates=DEP_CRATES_${GUEST^^}
cp -r "${!crates}" patched
mkdir sources
cp -r "$SRC"/. sources/
mv patched sources/
cd "sources/$GUEST"
if [ "$GUEST" = git ]; then
  # libgit2: no mmap, no processes, no signals; see wasi-git.h.
  export CFLAGS_wasm32_wasip1="-include $PWD/wasi-git.h -DNO_MMAP -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -Wno-incompatible-pointer-types -Wno-int-conversion -Wno-implicit-function-declaration"
fi
cargo build --release --locked -j "$JOBS" --target-dir "$WORK/target"
if [ "$GUEST" = tools ]; then # the programs that the image gets for it
  sed -n 's/^    ("\([^"]*\)", .*/\1/p' src/table.rs >"$OUT/names"
  [ "$(wc -l <"$OUT/names")" -gt 90 ] || die "src/table.rs does not look as expected"
fi
cp "$WORK/target/wasm32-wasip1/release/$BINARY.wasm" "$OUT/$GUEST.wasm"
ls -la "$OUT"

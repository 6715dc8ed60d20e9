# A rustc that builds for wasm32-wasip1, described in OUT/env.sh.
#   PLAYPEN_GUEST_TOOLCHAIN=rustup|debian|auto   which of the two ways
# (a) rustup: the active toolchain and its prebuilt std.
# (b) Debian: rustc-web and the source of std from the machine's own apt sources, unpacked without
#     root; std is built once into that sysroot, over the libc of zig.
. "$SRC/steps/lib.sh"
TARGET=wasm32-wasip1
WAY=${PLAYPEN_GUEST_TOOLCHAIN:-auto}

has_std() { # RUSTC
  local dir
  dir=$("$1" --print target-libdir --target $TARGET 2>/dev/null) && compgen -G "$dir/libstd-*.rlib" >/dev/null
}

try_rustup() {
  command -v rustc >/dev/null || return 1
  if ! has_std rustc; then
    command -v rustup >/dev/null || return 1
    echo "rustup target add $TARGET"
    timeout 300 rustup target add $TARGET || return 1
    has_std rustc || return 1
  fi
  local sysroot lld
  sysroot=$(rustc --print sysroot)
  lld=$(compgen -G "$sysroot/lib/rustlib/*/bin/rust-lld" | head -1)
  [ -n "$lld" ] || return 1
  # The real compiler, not rustup's proxy: what the proxy starts depends on the directory.
  printf 'export RUSTC=%q\nexport CARGO_TARGET_WASM32_WASIP1_LINKER=%q\n' "$sysroot/bin/rustc" "$lld" >"$OUT/env.sh"
  # The cache entry is of no use once these are gone.
  printf '%s\n' "$sysroot/bin/rustc" "$lld" "$(rustc --print target-libdir --target $TARGET)" >"$OUT/.requires"
}

apt() { # get|cache ARG...
  local tool=$1
  shift
  "apt-$tool" -o APT::Sandbox::User= -o Dir::Cache="$WORK/apt/cache" "${LISTS[@]}" "$@"
}

debian() {
  command -v apt-get >/dev/null || die "neither \`rustup target add $TARGET\` nor apt-get works here"
  local root=$OUT/debian lists version short llvm lib
  mkdir -p "$WORK/apt"/{state/lists/partial,cache/archives/partial,debs} "$root" "$OUT/bin"
  LISTS=()
  if [ -z "$(apt-cache show rust-web-src 2>/dev/null)" ]; then
    LISTS=(-o Dir::State="$WORK/apt/state" -o Dir::State::status=/var/lib/dpkg/status)
    apt get -qq update
  fi
  version=$(apt cache policy rustc-web | awk '/Candidate:/{print $2}')
  [ -n "$version" ] && [ "$version" != "(none)" ] || die "apt knows no package rustc-web (Debian 12 or later has it)"
  short=$(echo "$version" | cut -d. -f1,2)
  [ "$(printf '%s\n' 1.95 "$short" | sort -V | head -1)" = 1.95 ] || die "rustc-web $version is older than 1.95"
  llvm=$(apt cache show "libstd-rust-web-$short" | grep -o 'libllvm[0-9]*' | head -1)
  (cd "$WORK/apt/debs" && apt get -qq download rustc-web libstd-rust-web-dev "libstd-rust-web-$short" rust-web-src "$llvm")
  for deb in "$WORK"/apt/debs/*.deb; do dpkg -x "$deb" "$root"; done
  rm -rf "$WORK/apt/debs"

  cat >"$OUT/bin/rustc" <<'Z'
#!/bin/sh
root=$(cd "$(dirname "$0")/../debian" && pwd)
LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
exec "$root/usr/bin/rustc" --sysroot "$root/usr" "$@"
Z
  # rustc puts `-flavor wasm` first, which only rust-lld takes.
  cat >"$OUT/bin/wasm-ld" <<Z
#!/bin/sh
[ "\$1" != -flavor ] || shift 2
exec "$DEP_ZIG/bin/wasm-ld" "\$@"
Z
  chmod +x "$OUT"/bin/*
  lib=$root/usr/lib/rustlib
  mkdir -p "$lib/src" "$lib/$TARGET/lib/self-contained"
  ln -s "../../../src/$(basename "$(compgen -G "$root/usr/src/rustc-*")")" "$lib/src/rust"
  # libc for std: zig spreads it over several archives (strlen, memcpy are not in the first).
  for model in command reactor; do cp "$DEP_ZIG/libc/crt1-$model.o" "$lib/$TARGET/lib/self-contained/"; done
  {
    echo "create $WORK/libc.a"
    for archive in "$DEP_ZIG"/libc/lib*.a; do echo "addlib $archive"; done
    echo save
    echo end
  } >"$WORK/merge.mri"
  "$DEP_ZIG/bin/ar" -M <"$WORK/merge.mri"
  cp "$WORK/libc.a" "$lib/$TARGET/lib/self-contained/"

  # std once, into the sysroot: afterwards a plain `cargo build --target` works.
  mkdir -p "$WORK/std/src"
  echo 'pub fn f() {}' >"$WORK/std/src/lib.rs"
  printf '[package]\nname = "s"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$WORK/std/Cargo.toml"
  (
    cd "$WORK/std"
    RUSTC_BOOTSTRAP=1 RUSTC="$OUT/bin/rustc" RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked" \
      CARGO_PROFILE_RELEASE_OPT_LEVEL=2 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
      cargo build -q --release -Zbuild-std=std,panic_abort --target $TARGET --target-dir "$WORK/target"
  )
  cp "$WORK/target/$TARGET/release/deps"/lib*.rlib "$lib/$TARGET/lib/"
  rm -f "$lib/$TARGET"/lib/libs-*.rlib "$lib/src/rust"
  rm -rf "$root"/usr/src "$root"/usr/share
  has_std "$OUT/bin/rustc" || die "std did not arrive in the sysroot"
  cat >"$OUT/env.sh" <<'Z'
export RUSTC=$DEP_RUST/bin/rustc
export CARGO_TARGET_WASM32_WASIP1_LINKER=$DEP_RUST/bin/wasm-ld
Z
}

case $WAY in
  rustup) try_rustup || die "rustup cannot provide $TARGET" ;;
  debian) debian ;;
  auto) try_rustup || debian ;;
  *) die "PLAYPEN_GUEST_TOOLCHAIN is \`$WAY\`: expected rustup, debian or auto" ;;
esac

# A program that needs threads (stubs) and realpath from the libc: old wasi-libcs have neither.
DEP_RUST=$OUT
. "$OUT/env.sh"
echo 'fn main() { println!("{:?} {:?}", std::fs::canonicalize("/"), std::thread::spawn(|| 1).join()); }' >hello.rs
"$RUSTC" --target $TARGET -O -C linker="$CARGO_TARGET_WASM32_WASIP1_LINKER" -o hello.wasm hello.rs
[ -s hello.wasm ] || die "the test program does not link"
"$RUSTC" -V

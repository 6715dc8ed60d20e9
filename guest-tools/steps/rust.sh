# A rustc that builds for wasm32-wasip1, described in OUT/env.sh.
#   PLAYPEN_GUEST_TOOLCHAIN=rustup|debian|auto   which of the two ways
# (a) rustup: the active toolchain and its prebuilt std.
# (b) Debian: rustc-web and the source of std from the machine's own apt sources, unpacked without
#     root; std is built once into that sysroot, over the libc of a hash-pinned zig.
. "$SRC/steps/lib.sh"
TARGET=wasm32-wasip1
MINIMUM=1.95 # what the guests' crates need
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

# The version of rustc-web that apt would install, if the source of std is there too.
candidate() {
  [ -n "$(apt cache show rust-web-src 2>/dev/null)" ] || return 0
  apt cache policy rustc-web | awk '/Candidate:/ && $2 != "(none)" {print $2}'
}

recent() { # VERSION
  [ -n "$1" ] && [ "$(printf '%s\n' "$MINIMUM" "$1" | sort -V | head -1)" = "$MINIMUM" ]
}

# crt1 and libc for std. Not those of the step `zig`, whose wasi-libc has no pthread stubs, which std
# refers to; a later zig has them. It spreads them over several archives (strlen and memcpy are not in
# the first), so they become one. (The number in each probe makes it new: zig prints nothing for a
# link that it has cached.)
libc() { # DIRECTORY
  local zig=$WORK/zig/ziglang/zig model
  pip_install "$WORK/zig" "$SRC/rust/requirements.txt"
  for model in command reactor; do
    echo "int probe(void){return $((RANDOM * 32768 + RANDOM));} int main(void){return 0;}" >probe.c
    "$zig" build-exe -target wasm32-wasi -mexec-model=$model -OReleaseSmall -lc probe.c -femit-bin=probe.wasm \
      --verbose-link >link.txt 2>&1 || die "zig cannot link a program for wasm32-wasi"
    tr ' ' '\n' <link.txt | sort -u >link.$model
    cp "$(grep "/crt1-$model\.o$" link.$model)" "$1/crt1-$model.o"
  done
  {
    echo "create $WORK/libc.a"
    grep -E '/lib(c|zigc|compiler_rt)\.a$' link.command | sed 's/^/addlib /'
    echo save
    echo end
  } >merge.mri
  "$zig" ar -M <merge.mri
  cp libc.a "$1/"
  mv "$zig" "$OUT/bin/zig" # its wasm-ld: an older one does not know what this libc refers to
  rm -rf "$WORK/zig"
}

debian() {
  command -v apt-get >/dev/null || die "neither \`rustup target add $TARGET\` nor apt-get works here"
  local root=$OUT/debian lists version short llvm lib
  mkdir -p "$WORK/apt"/{state/lists/partial,cache/archives/partial,debs} "$root" "$OUT/bin"
  LISTS=()
  version=$(candidate)
  if ! recent "$version"; then # this machine's package lists may be old or have no such package: private ones
    LISTS=(-o Dir::State="$WORK/apt/state" -o Dir::State::status=/var/lib/dpkg/status)
    apt get -qq update
    version=$(candidate)
  fi
  [ -n "$version" ] || die "apt knows no packages rustc-web and rust-web-src (Debian 12 has them, in its security suite)"
  recent "$version" || die "rustc-web $version is older than $MINIMUM"
  short=$(echo "$version" | cut -d. -f1,2)
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
  cat >"$OUT/bin/wasm-ld" <<'Z'
#!/bin/sh
[ "$1" != -flavor ] || shift 2
exec "${0%/*}/zig" wasm-ld "$@"
Z
  chmod +x "$OUT"/bin/*
  lib=$root/usr/lib/rustlib
  mkdir -p "$lib/src" "$lib/$TARGET/lib/self-contained"
  ln -s "../../../src/$(basename "$(compgen -G "$root/usr/src/rustc-*")")" "$lib/src/rust"
  libc "$lib/$TARGET/lib/self-contained"

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

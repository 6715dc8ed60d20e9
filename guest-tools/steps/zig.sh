# The C compiler of the guests: zig (clang, wasi-libc and lld in one wheel), hash-pinned, from PyPI.
. "$SRC/steps/lib.sh"

pip_install "$OUT/lib" "$SRC/zig/requirements.txt"
rm -rf "$OUT/lib/bin"
find "$OUT/lib" -name __pycache__ -prune -exec rm -rf {} +
mkdir -p "$OUT/bin"

for tool in ar ranlib wasm-ld; do
  printf '#!/bin/sh\nexec "${0%%/*}/../lib/ziglang/zig" %s "$@"\n' "$tool" >"$OUT/bin/$tool"
done
printf '#!/bin/sh\nexec "${0%%/*}/../lib/ziglang/zig" "$@"\n' >"$OUT/bin/zig"

# For crates with C in them: cc-rs passes --target=wasm32-wasip1, which zig does not know.
# -fno-sanitize=undefined: zig turns traps on undefined behavior on by default.
cat >"$OUT/bin/wasi-cc" <<'Z'
#!/bin/bash
args=()
for arg in "$@"; do case $arg in --target=* | -target=*) ;; *) args+=("$arg") ;; esac; done
exec "${0%/*}/../lib/ziglang/zig" cc -target wasm32-wasi -fno-sanitize=undefined "${args[@]}"
Z

# For CPython: PLAYPEN_C names the folder with playpen.h, which declares what wasi-libc's headers
# hide. It is left out while a configure script runs (PLAYPEN_CONFIGURE): configure reads
# preprocessor output, and config.site answers for those functions anyway.
# -Wno-date-time: zig makes __DATE__ an error. -ffile-prefix-map: same bytes wherever WORK is.
cat >"$OUT/bin/python-cc" <<'Z'
#!/bin/sh
[ -n "$PLAYPEN_CONFIGURE" ] || set -- -include "$PLAYPEN_C/playpen.h" -I"$PLAYPEN_C/include" "$@"
exec "${0%/*}/../lib/ziglang/zig" cc -target wasm32-wasi -ffile-prefix-map="$WORK"=/build \
  -fno-sanitize=undefined "$@" -Wno-date-time -Wno-macro-redefined
Z
chmod +x "$OUT"/bin/*

# The start object and the libraries for our own links of CPython and, on Debian, of std: zig builds
# them on first use, and ZIG_VERBOSE_LINK prints where they are. (The number makes each probe new:
# zig prints nothing for a link that it has cached.)
mkdir "$OUT/libc"
for model in command reactor; do
  echo "int playpen_probe(void){return $((RANDOM * 32768 + RANDOM));} int main(void){return 0;}" >probe.c
  ZIG_VERBOSE_LINK=1 "$OUT/bin/wasi-cc" -O2 -mexec-model=$model -Wl,--export=playpen_probe probe.c -o probe.wasm \
    >link.txt 2>&1 || { tail -c 2000 link.txt; die "zig cannot link a program for wasm32-wasi"; }
  for file in $(tr ' ' '\n' <link.txt | grep -E "/(crt1-$model\.o|crt1-command\.o|crt1\.o|lib(c|zigc|compiler_rt)\.a)$" | sort -u); do
    cp "$file" "$OUT/libc/"
  done
done
ls -la "$OUT/libc"
for file in crt1-reactor.o libc.a libcompiler_rt.a; do
  [ -s "$OUT/libc/$file" ] || die "zig's link names no $file"
done

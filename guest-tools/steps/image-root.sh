# The files of the Python guest with the packages of an image.toml in them: wheels of pure Python, checked by
# hash, with .pyc. PRELOAD_PYTEST=no leaves pytest out of the snapshot.
. "$SRC/steps/lib.sh"

LIB=$OUT/usr/local/lib/python3.13
cp -a "$DEP_PYTHON_ROOT/." "$OUT/"
pip=(python3 -m pip)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
  python3 -m venv "$WORK/venv"
  pip=("$WORK/venv/bin/python" -m pip)
fi
quiet=(--quiet --disable-pip-version-check --no-input)
any=(--only-binary :all: --platform any --implementation py --abi none --python-version 3.13)
mkdir -p "$WORK/wheels" "$WORK/native" "$WORK/new"
if [ -s "$SRC/image/requirements.txt" ] && ! "${pip[@]}" download "${quiet[@]}" --no-deps --require-hashes "${any[@]}" -d "$WORK/wheels" \
  -r "$SRC/image/requirements.txt" 2>"$WORK/errors"; then
  cat "$WORK/errors"
  if grep -q 'DO NOT MATCH THE HASHES' "$WORK/errors"; then
    die "a package has another hash than the pinned one:$(sed -n 's/^ *\([^ ]*\) from .*/ \1/p' "$WORK/errors" | sort -u | tr -d '\n')"
  fi
  missing=$(sed -n 's/.*No matching distribution found for \([^ ]*\).*/\1/p' "$WORK/errors" | head -n 1)
  { grep '^-' "$SRC/image/requirements.txt" || true; echo "$missing"; } >"$WORK/native.txt"
  if [ -n "$missing" ] && "${pip[@]}" download "${quiet[@]}" --no-deps --only-binary :all: --python-version 3.13 \
    -d "$WORK/native" -r "$WORK/native.txt"; then
    die "\`$missing\` is not pure Python: there is only \`$(ls "$WORK/native")\`, which cannot run in the sandbox"
  fi
  die "pip could not get the packages"
fi
[ -z "$(ls "$WORK/wheels")" ] || "${pip[@]}" install "${quiet[@]}" --no-deps --no-index --no-compile "${any[@]}" --target "$WORK/new" "$WORK"/wheels/*.whl
native=$(find "$WORK/new" -name '*.so' -o -name '*.pyd' | head -n 1)
[ -z "$native" ] || die "there is native code in \`${native#"$WORK/new/"}\`, which cannot run in the sandbox"
rm -rf "$WORK/new/bin"

# What the image has of the same name goes away first, whatever its version.
"$DEP_PYTHON_NATIVE/bin/python3.13" - "$LIB/site-packages" "$WORK/new" <<'P'
import importlib.metadata as metadata, pathlib, re, shutil, sys

def name_of(distribution):
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()

site, new = sys.argv[1:]
wanted = {name_of(it) for it in metadata.distributions(path=[new])}
for distribution in metadata.distributions(path=[site]):
    if name_of(distribution) in wanted:
        for file in distribution.files or []:
            path = pathlib.Path(distribution.locate_file(file))
            path.unlink(missing_ok=True)
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                compiled.unlink()
        shutil.rmtree(distribution._path, ignore_errors=True)
P
cp -a "$WORK/new/." "$LIB/site-packages/"
[ "$PRELOAD_PYTEST" = yes ] || touch "$LIB/_without_pytest"
find "$OUT" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
"$DEP_PYTHON_NATIVE/bin/python3.13" -m compileall -q -j "$JOBS" --invalidation-mode checked-hash -s "$OUT" -p / \
  "$LIB/site-packages" || true # some packages ship files that are not for this Python
find "$OUT" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
du -sh "$LIB/site-packages"

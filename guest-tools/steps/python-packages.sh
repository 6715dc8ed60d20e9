# pytest and what it needs, and the time zone data: pure Python wheels, hash-pinned, from PyPI.
. "$SRC/steps/lib.sh"

pip_install "$OUT" "$SRC/python/requirements.txt"
# Console scripts name the interpreter that ran pip.
rm -rf "$OUT/bin"
sed -i '/bin\//d' "$OUT"/*.dist-info/RECORD
find "$OUT" -name __pycache__ -prune -exec rm -rf {} +

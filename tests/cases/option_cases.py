"""Options of the interpreter and ways to start a program: status and output of each, as JSON lines."""

import json
import os
import re
import subprocess
import sys

with open("ok.py", "w") as file:
    file.write("print('first')\nimport os, sys; print(sys.argv, sys.path[0] == os.getcwd(), __file__[-5:])\n")
os.makedirs("empty", exist_ok=True)
os.makedirs("full", exist_ok=True)
with open("full/__main__.py", "w") as file:
    file.write("import os, sys; print(__name__, sys.argv, os.path.relpath(sys.path[0]))\n")
with open("broken.py", "w") as file:
    file.write("x = 1\ndef f(:\n")
with open("raises.py", "w") as file:
    file.write("def f():\n    return 1 / 0\n\nf()\n")

with open("ends.py", "w") as file:
    file.write(
        """
import gc, sys, tempfile, weakref

kept = open("kept", "w")
kept.write("at the end of " + __name__)

class Told:
    def __init__(self, name):
        self.name = name
    def __del__(self):
        print("gone", self.name, _private, other)

class Ring:
    pass

Ring.file = open("ring", "w")
Ring.file.write("ring")
Ring.me = Ring()
_private, other = 1, 2
one, two = Told("one"), Told("two")
folder = tempfile.TemporaryDirectory(dir=".")
weakref.finalize(one, print, "finalized")

def steps():
    try:
        yield
    finally:
        print("closed")

going = steps()
next(going)

def fails(file):
    file.write("of a frame")
    1 / 0

fails(open("frame", "w"))
"""
    )

LOCALES = """
import locale, os
os.environ.update(LC_ALL='C.UTF-8', LANG='de_DE.UTF-8')
def tell(category, *name):
    try:
        print(category, name, locale.setlocale(getattr(locale, category), *name))
    except locale.Error as error:
        print(category, name, error)
for category in ('LC_CTYPE', 'LC_NUMERIC', 'LC_ALL'):
    tell(category)
for name in ('', 'C.utf8', 'de_DE.UTF-8', 'en_US', 'c', 'C.UTF-16', 'POSIX', 'C.UTF-8', 'LC_CTYPE=C;LC_NUMERIC=C'):
    tell('LC_ALL', name)
    tell('LC_NUMERIC', name)
    tell('LC_ALL')
tell('LC_ALL', locale.setlocale(locale.LC_ALL))
tell('LC_TIME', 'C')
print(locale.getlocale(), locale.nl_langinfo(locale.CODESET), locale.localeconv()['decimal_point'])
os.environ['LC_ALL'] = ''
tell('LC_ALL', '')
tell('LC_ALL', 'C')
print(locale.getlocale(), locale.nl_langinfo(locale.CODESET), locale.strcoll('a', 'B'))
"""

CASES = [
    (["-c"], None),
    (["-m"], None),
    (["-W"], None),
    (["-X"], None),
    (["-z"], None),
    (["-Oz"], None),
    (["--nope"], None),
    (["-V"], None),
    (["--version"], None),
    (["none.py"], None),
    (["empty"], None),
    (["full", "a"], None),
    (["full/"], None),
    (["ok.py", "a", "-b"], None),
    (["./ok.py"], None),
    (["-x", "ok.py"], None),
    (["broken.py"], None),
    (["raises.py"], None),
    (["-m", "none"], None),
    (["-m", "none.of.these"], None),
    (["-m", "full", "a"], None),
    (["-m", "ok", "a"], None),
    (["-m", "empty"], None),
    (["-c", "import sys; print(sys.argv, sys.orig_argv[1:])", "a", "-c"], None),
    (["-cprint(1)"], None),
    (["-OOc", "print(__debug__)"], None),
    (["-", "a"], "import sys; print(sys.argv)\n"),
    ([], "print(__name__)\n1/0\n"),
    ([], "def f(:\n"),
    (["-i", "-c", "x = 5"], "print(x)\n"),
    (["-bb", "-c", "b'a' == 'a'"], None),
    (["-b", "-c", "print(b'a' == 'a')"], None),
    (["-W", "error", "-c", "import warnings; warnings.warn('w')"], None),
    (["-W", "ignore", "-c", "import warnings; warnings.warn('w'); print(1)"], None),
    (["-P", "-c", "import sys; print(sys.flags.safe_path)"], None),
    (["-I", "-c", "import sys; print(sys.flags.isolated, sys.flags.safe_path, sys.flags.no_user_site)"], None),
    (["-B", "-c", "import sys; print(sys.dont_write_bytecode)"], None),
    (["-X", "a=b", "-X", "c", "-c", "import sys; print(sys._xoptions)"], None),
    (["-c", "raise SystemExit('bye')"], None),
    (["-c", "raise SystemExit(300)"], None),
    (["-c", "raise SystemExit(-1)"], None),
    (["-c", "raise SystemExit"], None),
    (["-c", "raise SystemExit([1])"], None),
    (["-c", "import os; os._exit(7)"], None),
    (["-c", "raise KeyboardInterrupt"], None),
    (["-c", "import sys; sys.stdout.close(); print(1)"], None),
    (["-c", "import sys; sys.stdout.write('no newline')"], None),
    (["-c", "import sys; sys.excepthook = lambda *it: print('hook', it[0].__name__); 1/0"], None),
    (["-c", "import atexit; atexit.register(print, 'late'); 1/0"], None),
    (["-c", "class A:\n  def __del__(self): print('gone')\na = A()"], None),
    (["ends.py"], None),
    (["-c", "import ends"], None),
    (["-c", "import sys; sys.x = open('kept', 'w'); sys.x.write('1'); import atexit; atexit.register(print, 2)"], None),
    (["-c", "import threading, time\nf = open('kept', 'w'); f.write('12')\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()"], None),
    (["-c", "f = open('kept', 'w'); f.write('1')"], None),
    (["-c", "f = open('kept', 'w'); f.write('1')\ndef g(): pass"], None),
    (["-c", "class C: pass\nC.me = C; C.file = open('kept', 'w'); C.file.write('1')"], None),
    (["-c", "print(eval('(' * 200 + '1' + ')' * 200)); exec('(' * 201)"], None),
    (["-c", "d = {'file': open('kept', 'wb')}; d['file'].write(b'1'); d['d'] = d; del d"], None),
    (["-c", "print(__name__, sorted(globals()))"], None),
    (["-c", "async def f(): pass\nf()"], None),
    (["-c", "import threading; threading.Thread(target=lambda: 1/0, name='t').start()"], None),
    (["-c", "print('\\ud800')"], None),
    (["-c", "raise ExceptionGroup('g', [ValueError(1), KeyError(2)])"], None),
    (["-c", "try: 1/0\nexcept Exception as e: raise ValueError('v') from e"], None),
    (["-c", "x = [1, 2\n"], None),
    (["-c", "  x = 1"], None),
    (["-c", "imprt os"], None),
    (["-c", "import maths"], None),
    (["-c", "import os; os.pathh"], None),
    (["-c", "prin(1)"], None),
    (["-c", "def f(): g()\ndef g(): h()\nf()"], None),
    (["-c", "import json; json.loads('{')"], None),
    (["-c", LOCALES], None),
]


def plain(text):
    for name in {sys.executable, os.path.realpath(sys.executable)}:
        text = text.replace(name, "PYTHON")
    text = re.sub(r'File "[^"]*/lib/python3[^"/]*/([^"]*)", line \d+', r'File "LIB/\1", line N', text)
    return re.sub(r"0x[0-9a-f]+", "0x", text.replace(os.getcwd(), "HERE"))


for number, (arguments, told) in enumerate(CASES):
    ended = subprocess.run(
        [sys.executable, *arguments], input=told or "", capture_output=True, text=True, timeout=60
    )
    outcome = [ended.returncode, plain(ended.stdout), plain(ended.stderr)]
    for name in ("kept", "ring", "frame"):
        if os.path.exists(name):
            with open(name) as file:
                outcome.append([name, file.read()])
            os.remove(name)
    print(json.dumps({"id": f"{number} {arguments}", "outcome": outcome}), flush=True)

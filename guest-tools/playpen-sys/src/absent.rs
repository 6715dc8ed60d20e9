//! Programs that agents type and that are not here: why, and what there is instead.
//!
//! No file stands for them, so `command -v` and `which` do not find them, `subprocess` raises
//! `FileNotFoundError`, and whoever looks for one before using it does without.

/// Sorted by name.
const ABSENT: &[(&str, &str)] = &[
    ("apt", "nothing can be installed in a sandbox"),
    ("apt-get", "nothing can be installed in a sandbox"),
    ("brew", "nothing can be installed in a sandbox"),
    ("cargo", "there is no Rust here"),
    ("cc", "there is no C compiler here"),
    ("cmake", "there is no C compiler here"),
    ("conda", "there is no network; packages that the image has are importable as they are"),
    ("curl", "there is no network"),
    ("dnf", "nothing can be installed in a sandbox"),
    ("docker", "a sandbox has no containers"),
    ("dpkg", "nothing can be installed in a sandbox"),
    ("emacs", "there is no terminal; use `sed -i` or `cat > FILE <<'EOF'`"),
    ("g++", "there is no C compiler here"),
    ("gcc", "there is no C compiler here"),
    ("gdb", "use `python -m pdb` with commands on standard input"),
    ("gh", "there is no network; `git` works on the local repository"),
    ("htop", "there is no terminal; use `ps`"),
    ("ifconfig", "there is no network"),
    ("ip", "there is no network"),
    ("java", "there is no Java here"),
    ("man", "use `COMMAND --help`"),
    ("nano", "there is no terminal; use `sed -i` or `cat > FILE <<'EOF'`"),
    ("nc", "there is no network"),
    ("node", "there is no JavaScript here; use `python`"),
    ("npm", "there is no JavaScript here"),
    ("npx", "there is no JavaScript here"),
    ("perl", "use `sed`, `awk` or `python`"),
    ("ping", "there is no network"),
    ("rsync", "use `cp -a`"),
    ("ruby", "use `python`"),
    ("scp", "there is no network; use `cp`"),
    ("screen", "there is no terminal; use `COMMAND &`"),
    ("service", "there are no services here"),
    ("sqlite3", "use `python -m sqlite3 FILE SQL`"),
    ("ssh", "there is no network"),
    ("strace", "the host records every file access of a sandbox"),
    ("su", "the user is root already"),
    ("sudo", "the user is root already; leave it out"),
    ("systemctl", "there are no services here"),
    ("telnet", "there is no network"),
    ("tmux", "there is no terminal; use `COMMAND &`"),
    ("top", "there is no terminal; use `ps`"),
    ("vi", "there is no terminal; use `sed -i` or `cat > FILE <<'EOF'`"),
    ("vim", "there is no terminal; use `sed -i` or `cat > FILE <<'EOF'`"),
    ("wget", "there is no network"),
    ("yum", "nothing can be installed in a sandbox"),
];

/// Returns what a message that a program was not found has at its end: nothing, or why and what to
/// do instead, in parentheses.
pub fn instead_of(program: &str) -> String {
    let found = ABSENT.binary_search_by_key(&program, |(name, _)| name);
    found.map_or(String::new(), |at| format!(" ({})", ABSENT[at].1))
}

//! Has the crate compiled again when a guest's source comes or goes: `include_dir!` notices changed
//! files only.

fn main() {
    for dir in [
        "edit",
        "git",
        "patches",
        "playpen-sys",
        "posix-regex",
        "python",
        "root",
        "shell",
        "steps",
        "tools",
        "zig",
    ] {
        println!("cargo::rerun-if-changed=../{dir}");
    }
}

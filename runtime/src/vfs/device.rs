//! The kernel's own files: `/dev`, `/proc/self` and `/proc/meminfo`.
//!
//! Both are ordinary read-only trees whose leaves are [`Device`] nodes, so the walk, the rights and
//! the record treat them as any other file. There is no `/proc` of other processes, and
//! `/proc/self/root` and `/proc/self/cwd` are refused rather than followed.

use super::Mount;
use crate::tree::{Device, Node, ProcessFile, ROOT, Tree};

/// Returns the mounts `/dev` and `/proc`.
pub(crate) fn standard_devices() -> [Mount; 2] {
    [Mount::read_only_tree("/dev", dev()), Mount::read_only_tree("/proc", proc_self())]
}

fn dev() -> Tree {
    let mut tree = Tree::new();
    let devices = [
        ("null", Device::Null),
        ("zero", Device::Zero),
        ("full", Device::Full),
        ("random", Device::Random),
        ("urandom", Device::Random),
        ("stdin", Device::Descriptor(0)),
        ("stdout", Device::Descriptor(1)),
        ("stderr", Device::Descriptor(2)),
        ("fd", Device::DescriptorDir),
    ];
    for (name, device) in devices {
        let mode = if device == Device::DescriptorDir { 0o555 } else { 0o666 };
        tree.create(ROOT, name, Node::Device(device), mode, 0).expect("names are distinct");
    }
    tree
}

fn proc_self() -> Tree {
    let mut tree = Tree::new();
    let this = tree.create(ROOT, "self", Tree::new_directory(), 0o555, 0).expect("tree is empty");
    let files = [
        ("cmdline", Device::Process(ProcessFile::Cmdline)),
        ("cwd", Device::Process(ProcessFile::Cwd)),
        ("disk", Device::Process(ProcessFile::Disk)),
        ("environ", Device::Process(ProcessFile::Environ)),
        ("exe", Device::Process(ProcessFile::Exe)),
        ("fd", Device::DescriptorDir),
        ("root", Device::Process(ProcessFile::Root)),
        ("stat", Device::Process(ProcessFile::Stat)),
        ("status", Device::Process(ProcessFile::Status)),
    ];
    for (name, device) in files {
        tree.create(this, name, Node::Device(device), 0o444, 0).expect("names are distinct");
    }
    let meminfo = Node::Device(Device::Process(ProcessFile::Meminfo));
    tree.create(ROOT, "meminfo", meminfo, 0o444, 0).expect("names are distinct");
    tree
}

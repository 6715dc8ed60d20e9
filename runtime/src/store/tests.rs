//! What the store promises, with real folders: nothing half there, nothing believed, deltas.

use super::*;
use crate::tree::Tree;
use cap_std::{ambient_authority, fs::OpenOptions};
use proptest::prelude::*;
use std::{fmt::Write as _, os::unix::fs::FileExt as _, sync::Arc};

struct Home {
    folder: tempfile::TempDir,
    store: Arc<SnapshotStore>,
}

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let store = Arc::new(SnapshotStore::open(dir, folder.path()).unwrap());
    Home { folder, store }
}

impl Home {
    fn save(&self, tree: &Tree, name: &str) -> Saved {
        let snapshot = Snapshot { trees: [("/w".to_owned(), tree.clone())].into() };
        let options = SaveOptions { name: Some(name.to_owned()), ..SaveOptions::default() };
        self.store.save(&snapshot, options).unwrap()
    }

    fn load(&self, name: &str) -> Result<Tree, StoreError> {
        let (mut snapshot, _) = self.store.load(self.store.resolve(name)?)?;
        Ok(snapshot.trees.remove("/w").unwrap())
    }

    /// Bytes on disk, in whole blocks.
    fn disk_bytes(&self) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        let packs = std::fs::read_dir(self.folder.path().join(PACKS)).unwrap();
        let names = self.folder.path().join(NAMES);
        let files = packs.map(|entry| entry.unwrap().path()).chain([names]);
        files.map(|path| std::fs::metadata(path).map_or(0, |file| file.blocks() * 512)).sum()
    }

    fn packs(&self) -> Vec<String> {
        let entries = self.store.packs.entries().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Changes a byte of a pack.
    fn flip(&self, pack: &str, at: u64) {
        let options = OpenOptions::new().read(true).write(true).clone();
        let file = self.store.packs.open_with(pack, &options).unwrap().into_std();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x55], at).unwrap();
    }
}

/// Text that compresses as sources do, different for each seed.
fn text(seed: u64, n_bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = String::new();
    while out.len() < n_bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let words = ["self", "return", "def", "queryset", "import", "value", "None", "field"];
        let word = words[usize::try_from(state >> 61).unwrap()];
        let _ = write!(out, "{word}_{} ", (state >> 40) % 97);
        if (state >> 33).is_multiple_of(9) {
            out.push('\n');
        }
    }
    out.truncate(n_bytes);
    out
}

fn everything() -> Tree {
    let mut tree = Tree::new();
    tree.write("bin/run.sh", "#!/bin/sh\n", 0o755).unwrap();
    tree.write("empty", "", 0o600).unwrap();
    tree.write("large.txt", text(1, 3_000_000), 0o644).unwrap();
    tree.write("tiny", "x", 0o644).unwrap();
    tree.create_dir("deep/er/and/deeper", 0o700).unwrap();
    tree.symlink("link", "bin/run.sh").unwrap();
    tree.symlink("dangling", "/nowhere/at/all").unwrap();
    let ino = tree.find("large.txt").unwrap().unwrap();
    let parent = tree.find("deep/er").unwrap().unwrap();
    tree.link(ino, parent, "hard", 5).unwrap();
    tree.write("sparse", "start", 0o644).unwrap();
    let ino = tree.find("sparse").unwrap().unwrap();
    tree.set_len(ino, 1 << 40, 7).unwrap();
    tree.write_at(ino, (1 << 39) + 5, b"middle", 123_456_789).unwrap();
    for n in 0..1000 {
        tree.write(&format!("many/file-{n}"), format!("{n}"), 0o644).unwrap();
    }
    tree
}

/// Everything there is to know about a tree, a line for each path.
fn described(tree: &Tree) -> Vec<String> {
    let line = |(path, ino): (String, _)| {
        let inode = tree.inode(ino).unwrap();
        let content = match &inode.node {
            crate::tree::Node::File(content) => {
                let mut hasher = blake3::Hasher::new();
                for run in content.runs() {
                    match run {
                        crate::tree::Run::Data(bytes) => hasher.update(&bytes),
                        crate::tree::Run::Hole(n) if n < 1 << 20 => {
                            hasher.update(&vec![0; usize::try_from(n).unwrap()])
                        }
                        crate::tree::Run::Hole(n) => hasher.update(&(n >> 20).to_le_bytes()),
                    };
                }
                hasher.finalize().to_hex().to_string()
            }
            crate::tree::Node::Symlink(target) => target.to_string(),
            _ => String::new(),
        };
        let (mode, nlink, modified) = (inode.mode, inode.nlink, inode.modified);
        format!("{path} {mode:o} {nlink} {modified} {} {content}", inode.size())
    };
    tree.walk_inodes().into_iter().map(line).collect()
}

#[test]
fn a_snapshot_comes_back_as_it_was() {
    let home = home();
    let tree = everything();
    home.save(&tree, "base");
    let back = home.load("base").unwrap();
    assert_eq!(described(&back), described(&tree));
    assert!(back.n_bytes() < 8 << 20, "{} bytes for a sparse file", back.n_bytes());
    // The copy is stored as the original was: all of it is there already.
    assert_eq!(home.store.salvage(home.store.resolve("base").unwrap()).unwrap().2.len(), 0);
    home.save(&back, "again");
    assert_eq!(home.packs().len(), 1);
}

fn tree() -> impl Strategy<Value = Vec<(String, Vec<u8>, u32)>> {
    let path = prop::collection::vec("[a-c]{1,2}", 1..4).prop_map(|names| names.join("/"));
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (any::<u64>(), 0_usize..200_000).prop_map(|(seed, n)| text(seed, n).into_bytes()),
    ];
    prop::collection::vec((path, data, 0_u32..0o10000), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_tree_comes_back_and_any_two_are_kept_apart(first in tree(), second in tree()) {
        let home = home();
        let build = |mut tree: Tree, files: Vec<(String, Vec<u8>, u32)>| {
            for (path, data, mode) in files {
                // A file may be where a directory is needed: then it stays out.
                let _written = tree.write(&path, data, mode);
            }
            tree
        };
        let first = build(Tree::new(), first);
        let second = build(first.clone(), second);
        home.save(&first, "first");
        home.save(&second, "second");
        prop_assert_eq!(described(&home.load("first").unwrap()), described(&first));
        prop_assert_eq!(described(&home.load("second").unwrap()), described(&second));
    }
}

#[test]
fn a_snapshot_after_an_edit_of_one_line_costs_little() {
    let mut tree = Tree::new();
    for n in 0..6000_u64 {
        let path = format!("pkg/p{}/q{}/module_{n}.py", n % 13, n % 41);
        tree.write(&path, text(n, 100 + usize::try_from(n * 7919 % 3000).unwrap()), 0o644).unwrap();
        tree.write(&format!("flat/file-{n}"), "1\n", 0o644).unwrap();
    }
    tree.write("large.py", text(7, 600_000), 0o644).unwrap();
    let home = home();
    tree.write("pkg/p5/long.py", text(8, 40_000), 0o644).unwrap();
    home.save(&tree, "base");
    for path in ["pkg/p5/long.py", "large.py", "flat/file-77"] {
        let before = home.disk_bytes();
        let old = tree.read(path).unwrap();
        let mut new = b"one more line\n".to_vec();
        new.extend(&old[..]);
        tree.write(path, new, 0o644).unwrap();
        home.save(&tree, "next");
        let grown = home.disk_bytes() - before;
        assert!(grown <= 64 << 10, "{path}: {grown} bytes on disk");
    }
    assert_eq!(described(&home.load("next").unwrap()), described(&tree));
}

#[test]
fn a_damaged_object_costs_its_file_and_no_other() {
    let home = home();
    let mut tree = Tree::new();
    for n in 0..40 {
        tree.write(&format!("d{}/f{n}", n % 4), text(n, 3000), 0o644).unwrap();
    }
    let id = home.save(&tree, "base").id;
    let pack = home.packs().remove(0);
    let packs = home.store.open_packs().unwrap();
    let chunks = packs.all()[0].places.iter().filter(|place| place.kind == Kind::Chunk);
    let mut n_damaged = 0;
    for place in chunks {
        home.flip(&pack, place.last_byte());
        let error = home.load("base").unwrap_err();
        let StoreError::Entry { path, source, .. } = &error else { panic!("{error:?}") };
        assert!(path.starts_with("/w/d"), "{path}");
        assert!(source.to_string().contains(&pack), "{source}");
        let (snapshot, _, damage) = home.store.salvage(id).unwrap();
        assert_eq!(damage.len(), 1);
        assert_eq!(snapshot.trees["/w"].n_files(), tree.n_files() - 1);
        home.flip(&pack, place.last_byte());
        n_damaged += 1;
    }
    assert_eq!(n_damaged, 40);
    home.load("base").unwrap();
}

#[test]
fn no_damaged_byte_is_believed() {
    let home = home();
    let mut tree = Tree::new();
    for n in 0..12 {
        tree.write(&format!("d{}/f{n}", n % 4), text(n, 700), 0o644).unwrap();
    }
    let id = home.save(&tree, "base").id;
    let pack = home.packs().remove(0);
    let len = home.store.packs.metadata(&pack).unwrap().len();
    let all = described(&tree);
    for at in 0..len {
        home.flip(&pack, at);
        match home.store.salvage(id) {
            // What is read is what was written, whatever is missing.
            Ok((snapshot, _, damage)) => {
                let lines = snapshot.trees.get("/w").map(described).unwrap_or_default();
                assert!(lines.iter().all(|line| all.contains(line)), "byte {at}");
                assert!(!damage.is_empty() || lines == all, "byte {at}");
            }
            // The record itself, or the version of the pack.
            Err(error) => assert!(error.to_string().contains("packs"), "byte {at}: {error}"),
        }
        home.flip(&pack, at);
    }
    home.load("base").unwrap();
}

#[test]
fn a_pack_without_its_end_is_read_as_far_as_it_goes() {
    let home = home();
    let mut tree = Tree::new();
    tree.write("a", text(1, 5000), 0o644).unwrap();
    home.save(&tree, "base");
    let pack = home.packs().remove(0);
    let options = OpenOptions::new().write(true).clone();
    let file = home.store.packs.open_with(&pack, &options).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - 60).unwrap();
    assert_eq!(described(&home.load("base").unwrap()), described(&tree));
    let (_, problems) = home.store.list().unwrap();
    assert!(problems[0].to_string().contains("its end is missing"), "{problems:?}");
    // Clearing away writes it anew.
    home.store.gc(false).unwrap();
    assert_eq!(home.store.list().unwrap().1.len(), 0);
    assert_eq!(described(&home.load("base").unwrap()), described(&tree));
    let file = home.store.packs.open_with(&home.packs()[0], &options).unwrap();
    file.set_len(10).unwrap();
    assert!(home.load("base").is_err());
    assert!(home.store.gc(false).is_err());
}

#[test]
fn later_formats_are_told_from_damage() {
    let home = home();
    let id = home.save(&everything(), "base").id;
    let pack = home.packs().remove(0);
    let options = OpenOptions::new().write(true).clone();
    let file = home.store.packs.open_with(&pack, &options).unwrap().into_std();
    file.write_all_at(&2_u32.to_le_bytes(), 8).unwrap();
    let shown = home.load("base").unwrap_err().to_string();
    assert!(shown.contains("has format 2; this playpen reads up to 1"), "{shown}");
    assert!(home.store.gc(false).is_err());
    file.write_all_at(&1_u32.to_le_bytes(), 8).unwrap();

    home.store.dir.write(NAMES, r#"{"version": 9, "names": [], "more": 1}"#).unwrap();
    assert!(matches!(home.load("base"), Err(StoreError::Newer { found: 9, .. })));
    // An id needs no names.
    assert_eq!(home.store.resolve(&id.short()).unwrap(), id);
    home.store.dir.write(NAMES, "nonsense").unwrap();
    let error = home.load("base").unwrap_err();
    assert!(error.to_string().contains("names.json` is damaged"), "{error}");
    assert!(error.hint().unwrap().contains("move the file away"));
    assert!(home.store.gc(false).is_err());
    assert_eq!(home.store.list().unwrap().0.len(), 1);
}

#[test]
fn clearing_away_takes_what_has_no_name_and_nothing_else() {
    let home = home();
    let mut tree = Tree::new();
    for n in 0..30 {
        tree.write("changing", text(n, 20_000), 0o644).unwrap();
        tree.write(&format!("kept-{n}"), text(1000 + n, 500), 0o644).unwrap();
        home.save(&tree, &format!("s{n}"));
    }
    let names: Vec<_> = (0..29).filter(|n| *n != 7).map(|n| format!("s{n}")).collect();
    let seven = described(&home.load("s7").unwrap());
    home.store.remove_names(&names).unwrap();
    home.store.packs.write("tmp-1-2", "half a pack").unwrap();
    let would = home.store.gc(true).unwrap();
    assert_eq!((would.n_kept, would.n_removed), (2, 28));
    assert_eq!(home.packs().len(), 31);
    let did = home.store.gc(false).unwrap();
    assert_eq!(
        (did.n_kept, did.n_removed, did.n_objects_removed),
        (2, 28, would.n_objects_removed)
    );
    assert!(did.bytes_after < did.bytes_before / 3, "{did:?}");
    assert_eq!(home.packs().len(), 1);
    assert_eq!(described(&home.load("s29").unwrap()), described(&tree));
    assert_eq!(described(&home.load("s7").unwrap()), seven);
    assert!(matches!(home.load("s3"), Err(StoreError::Unknown { .. })));
    // Again, there is nothing to do.
    let again = home.store.gc(false).unwrap();
    assert_eq!((again.n_removed, again.bytes_before), (0, again.bytes_after));
}

#[test]
fn what_a_named_snapshot_was_made_from_is_kept() {
    let home = home();
    let base = home.save(&everything(), "base");
    let forks = home.store.fork(base.id, 3, "try", 1).unwrap();
    assert_eq!(forks[2].names, ["try-3"]);
    home.store.remove_names(&["base".to_owned(), "try-1".to_owned()]).unwrap();
    assert_eq!(home.store.gc(false).unwrap().n_removed, 1);
    let record = home.store.record(home.store.resolve("try-2").unwrap()).unwrap();
    assert_eq!((record.parent, record.fork), (Some(base.id), Some(2)));
    home.store.load(base.id).unwrap();
    // Numbers go on.
    assert_eq!(home.store.fork(base.id, 1, "try", 1).unwrap()[0].names, ["try-4"]);
    let error = home.store.fork(base.id, 1, "a name", 1).unwrap_err();
    assert_eq!(error.to_string(), "`a name` cannot be the name of a snapshot");
}

#[test]
fn a_thousand_forks_are_one_small_pack() {
    let home = home();
    let base = home.save(&everything(), "base");
    let before = home.disk_bytes();
    let forks = home.store.fork(base.id, 1000, "base", 1).unwrap();
    assert_eq!(forks.len(), 1000);
    assert_eq!(home.packs().len(), 2);
    assert!(home.disk_bytes() - before < 1 << 20);
    let (list, problems) = home.store.list().unwrap();
    assert_eq!((list.len(), problems.len()), (1001, 0));
    assert_eq!(described(&home.load("base-777").unwrap()), described(&home.load("base").unwrap()));
}

#[test]
fn many_writers_and_a_broom_at_once_lose_nothing() {
    let home = home();
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let home = &home;
            scope.spawn(move || {
                let mut tree = Tree::new();
                for step in 0..8 {
                    tree.write(&format!("f{step}"), text(writer * 100 + step, 9000), 0o644)
                        .unwrap();
                    home.save(&tree, &format!("w{writer}"));
                    let back = home.load(&format!("w{writer}")).unwrap();
                    assert_eq!(described(&back), described(&tree));
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..8 {
                home.store.gc(false).unwrap();
            }
        });
    });
    assert_eq!(home.store.gc(false).unwrap().n_kept, 4);
}

#[test]
fn prefixes_of_ids_are_understood() {
    let home = home();
    let id = home.save(&Tree::new(), "one").id;
    assert_eq!(home.store.resolve(&id.to_string()).unwrap(), id);
    assert_eq!(home.store.resolve(&id.short()[..4]).unwrap(), id);
    assert!(matches!(home.store.resolve(&id.short()[..3]), Err(StoreError::Unknown { .. })));
    assert!(matches!(home.store.resolve("../one"), Err(StoreError::Unknown { .. })));
    let forks = home.store.fork(id, 300, "f", 0).unwrap();
    let mut starts: Vec<_> = forks.iter().map(|fork| fork.id.to_string()[..4].to_owned()).collect();
    starts.sort();
    let twice = starts.iter().zip(starts.iter().skip(1)).find(|(a, b)| a == b);
    if let Some((start, _)) = twice {
        assert!(matches!(home.store.resolve(start), Err(StoreError::Ambiguous { .. })));
    }
}

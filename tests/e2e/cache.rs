//! Damaged files of playpen's own: noticed, named, and made again where that can be done.

use crate::{PLAYPEN, folder};
use playpen_e2e::{folder::Folder, program::Ended, program::Program};
use std::{
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// Copies the image that the other tests use.
fn image_copy(folder: &Folder) -> PathBuf {
    let shown = folder.playpen(["image", "show", "--json"]).run().json();
    let source = shown["folder"].as_str().unwrap().to_owned();
    let copy = folder.join("image");
    let copied = Program::new("cp").args(["-rL", &source]).args([&copy]).run();
    assert_eq!(copied.code, 0, "{copied:?}");
    copy
}

/// Changes one byte in the middle of a file.
fn damage(file: &Path) {
    let mut permissions = fs_err::metadata(file).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test alone")]
    permissions.set_readonly(false);
    fs_err::set_permissions(file, permissions).unwrap();
    let mut file = fs_err::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(&[byte[0] ^ 0xff]).unwrap();
}

fn run(folder: &Folder, image: &Path) -> Ended {
    let program = Program::new(PLAYPEN).args(["run", "--home", "home", "--image"]).args([image]);
    let program = program.args(["--", "echo", "fine"]).cwd(folder.path());
    program.deadline(Duration::from_mins(4)).run()
}

#[test]
fn a_damaged_image_is_named_and_not_used() {
    let folder = folder();
    let image = image_copy(&folder);
    damage(&image.join("root.data"));
    let ended = run(&folder, &image);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err().contains("root.data"), "{ended:?}");
    assert!(ended.err().contains("hint: "), "{ended:?}");
}

#[test]
fn damaged_compiled_code_is_made_again() {
    let folder = folder();
    let image = image_copy(&folder);
    assert_eq!(run(&folder, &image).out(), "fine\n");
    let compiled: Vec<PathBuf> = compiled(&folder);
    assert!(!compiled.is_empty());
    for file in &compiled {
        damage(file);
    }
    assert_eq!(run(&folder, &image).out(), "fine\n");
    assert_eq!(run(&folder, &image).out(), "fine\n");
}

#[test]
fn compiled_code_that_others_can_write_is_not_loaded() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let image = image_copy(&folder);
    fs_err::create_dir_all(folder.join("home/compiled")).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    fs_err::set_permissions(folder.join("home/compiled"), open).unwrap();
    let ended = run(&folder, &image);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err().contains("home/compiled"), "{ended:?}");
}

fn compiled(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder.join("home/compiled")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "cwasm")).collect()
}

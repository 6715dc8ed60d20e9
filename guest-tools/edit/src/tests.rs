use super::*;

/// A folder to edit in.
struct Place(tempfile::TempDir);

impl Place {
    fn new(file: &[u8]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("f"), file).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a call given as JSON in which `@` stands for the folder.
    fn run(&self, json: &str) -> Result<String, String> {
        let dir = self.0.path().to_str().unwrap();
        let request: Request = serde_json::from_str(&json.replace('@', dir)).unwrap();
        let clean = |text: String| text.replace(dir, "@");
        run(&request, &self.path(".history")).map(clean).map_err(|e| clean(e.to_string()))
    }

    fn content(&self) -> Vec<u8> {
        fs::read(self.path("f")).unwrap()
    }
}

#[test]
fn view_numbers_lines() {
    let place = Place::new(b"a\r\nb\n\xff\nlast");
    assert_eq!(
        place.run(r#"{"command":"view","path":"@/f"}"#).unwrap(),
        "     1\ta\n     2\tb\n     3\t\u{fffd}\n     4\tlast\n"
    );
    let range = |range: &str| {
        place.run(&format!(r#"{{"command":"view","path":"@/f","view_range":{range}}}"#))
    };
    assert_eq!(range("[2,2]").unwrap(), "     2\tb\n");
    assert_eq!(range("[4,-1]").unwrap(), "     4\tlast\n");
    assert_eq!(range("[4,99]").unwrap(), "     4\tlast\n");
    for bad in ["[0,2]", "[5,6]", "[3,2]", "[2,-3]"] {
        assert!(range(bad).unwrap_err().contains("is not in the file: it has 4 lines"), "{bad}");
    }
}

#[test]
fn view_of_special_files() {
    let place = Place::new(b"");
    assert_eq!(place.run(r#"{"command":"view","path":"@/f"}"#).unwrap(), "`@/f` is empty\n");
    fs::write(place.path("f"), b"a\0b").unwrap();
    assert_eq!(
        place.run(r#"{"command":"view","path":"@/f"}"#).unwrap_err(),
        "`@/f` is a binary file of 3 bytes"
    );
    assert!(
        place
            .run(r#"{"command":"view","path":"@/no"}"#)
            .unwrap_err()
            .starts_with("cannot view `@/no`: ")
    );
}

#[test]
fn view_of_a_folder_goes_two_levels_down() {
    let place = Place::new(b"");
    fs::create_dir_all(place.path("src/deep/deeper")).unwrap();
    fs::write(place.path("src/a.py"), "").unwrap();
    fs::write(place.path("src/deep/b.py"), "").unwrap();
    fs::create_dir(place.path(".git")).unwrap();
    fs::create_dir(place.path("src/__pycache__")).unwrap();
    assert_eq!(
        place.run(r#"{"command":"view","path":"@"}"#).unwrap(),
        "@\n  f\n  src/\n    a.py\n    deep/\n"
    );
}

#[test]
fn create_makes_folders_and_can_be_undone() {
    let place = Place::new(b"old");
    let json = r#"{"command":"create","path":"@/x/y/z.py","file_text":"one\ntwo\n"}"#;
    assert_eq!(place.run(json).unwrap(), "created `@/x/y/z.py` (2 lines)\n");
    assert_eq!(fs::read(place.path("x/y/z.py")).unwrap(), b"one\ntwo\n");
    assert!(place.run(r#"{"command":"undo","path":"@/x/y/z.py"}"#).unwrap().contains("is gone"));
    assert!(!place.path("x/y/z.py").exists());
    assert_eq!(
        place.run(r#"{"command":"create","path":"@/f","file_text":""}"#).unwrap(),
        "overwrote `@/f` (0 lines)\n"
    );
    place.run(r#"{"command":"undo","path":"@/f"}"#).unwrap();
    assert_eq!(place.content(), b"old");
    assert_eq!(
        place.run(r#"{"command":"undo","path":"@/f"}"#).unwrap_err(),
        "there is no edit of `@/f` to undo"
    );
}

#[test]
fn str_replace_shows_the_change() {
    let place = Place::new(b"one\ntwo\nthree\n");
    let shown = place
        .run(r#"{"command":"str_replace","path":"@/f","old_str":"two\n","new_str":"2\n2b\n"}"#)
        .unwrap();
    assert_eq!(
        shown,
        "edited `@/f`; it reads now:\n     1\tone\n     2\t2\n     3\t2b\n     4\tthree\n"
    );
    assert_eq!(place.content(), b"one\n2\n2b\nthree\n");
}

#[test]
fn str_replace_refuses_none_and_many() {
    let place = Place::new(b"x = 1\ny = 2\nx = 1\n  z(1)\n");
    let replace = |old: &str| {
        place.run(&format!(
            r#"{{"command":"str_replace","path":"@/f","old_str":"{old}","new_str":"q"}}"#
        ))
    };
    assert_eq!(
        replace("x = 1").unwrap_err(),
        "old_str is in `@/f` 2 times, at lines 1, 3: add lines around it until it is unique"
    );
    assert_eq!(
        replace("    z(1)").unwrap_err(),
        "old_str is not in `@/f`: the text at line 4 differs from it in white space only: copy it exactly"
    );
    assert_eq!(
        replace("nope").unwrap_err(),
        "old_str is not in `@/f`: view the file and copy the text exactly, without line numbers"
    );
    assert!(replace("").unwrap_err().starts_with("old_str is empty"));
    assert!(replace("q").unwrap_err().starts_with("old_str and new_str are the same"));
    assert_eq!(place.content(), b"x = 1\ny = 2\nx = 1\n  z(1)\n");
}

#[test]
fn bytes_and_line_ends_of_other_lines_are_kept() {
    let place = Place::new(b"\xff\xfe\r\nold\r\nmore\r\nlast");
    place
        .run(r#"{"command":"str_replace","path":"@/f","old_str":"old\nmore","new_str":"a\nb"}"#)
        .unwrap();
    assert_eq!(place.content(), b"\xff\xfe\r\na\r\nb\r\nlast");
    place.run(r#"{"command":"str_replace","path":"@/f","old_str":"b","new_str":"c\nd"}"#).unwrap();
    assert_eq!(place.content(), b"\xff\xfe\r\na\r\nc\r\nd\r\nlast");
    place.run(r#"{"command":"insert","path":"@/f","insert_line":5,"new_str":"end"}"#).unwrap();
    assert_eq!(place.content(), b"\xff\xfe\r\na\r\nc\r\nd\r\nlast\r\nend\r\n");
}

#[test]
fn insert_goes_after_the_line() {
    let place = Place::new(b"a\nb\n");
    let insert = |line: usize| {
        place.run(&format!(
            r#"{{"command":"insert","path":"@/f","insert_line":{line},"new_str":"x"}}"#
        ))
    };
    assert_eq!(
        insert(1).unwrap(),
        "edited `@/f`; it reads now:\n     1\ta\n     2\tx\n     3\tb\n"
    );
    insert(0).unwrap();
    insert(4).unwrap();
    assert_eq!(place.content(), b"x\na\nx\nb\nx\n");
    assert_eq!(
        insert(6).unwrap_err(),
        "insert_line 6 is not in `@/f`: it has 5 lines (0 inserts at the beginning)"
    );
}

#[test]
fn insert_into_an_empty_file() {
    let place = Place::new(b"");
    place.run(r#"{"command":"insert","path":"@/f","insert_line":0,"new_str":"x\n"}"#).unwrap();
    assert_eq!(place.content(), b"x\n");
}

#[test]
fn undo_goes_back_step_by_step() {
    let place = Place::new(b"0");
    for n in 1..=3 {
        place.run(&format!(r#"{{"command":"create","path":"@/f","file_text":"{n}"}}"#)).unwrap();
    }
    for expected in [b"2", b"1", b"0"] {
        place.run(r#"{"command":"undo","path":"@/f"}"#).unwrap();
        assert_eq!(place.content(), expected);
    }
}

#[test]
fn an_edit_without_history_says_so() {
    let place = Place::new(b"a");
    let request = Request::Create { path: place.path("f"), file_text: "b".into() };
    assert!(
        run(&request, &place.path("f/not-a-folder")).unwrap().contains("(this cannot be undone)")
    );
}

#[test]
fn unknown_commands_and_fields_do_not_parse() {
    for json in [
        r#"{"command":"remove","path":"f"}"#,
        r#"{"command":"undo","path":"f","old":"x"}"#,
        r#"{"path":"f"}"#,
    ] {
        assert!(serde_json::from_str::<Request>(json).is_err(), "{json}");
    }
}

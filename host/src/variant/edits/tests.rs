use super::{Edit, apply};

#[test]
fn edits_are_made_from_the_front() {
    let edit = |start, end, text: &str| Edit { start, end, text: text.to_owned() };
    let edits = [edit(6, 7, "x"), edit(0, 1, ""), edit(3, 3, "+")];
    assert_eq!(apply(b"0123456789", &edits), b"12+345x789");
}

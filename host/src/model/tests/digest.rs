//! The algebra of canonical JSON: it depends on what a value means and not on how it is written.

use super::request;
use crate::model::{Message, RequestDigest, canonical_json};
use proptest::prelude::{Just, Strategy, any, prop, proptest};
use serde_json::Value;
use std::collections::BTreeMap;

/// A JSON text whose objects have their fields in the order of a shuffle, and its twin in another
/// order. Fields of one object differ in their names.
fn texts_in_two_orders() -> impl Strategy<Value = (String, String)> {
    let leaf = proptest::prop_oneof![
        Just(("null".to_owned(), "null".to_owned())),
        any::<bool>().prop_map(|flag| (flag.to_string(), flag.to_string())),
        // An integer as such, and with a fraction of zero.
        any::<i32>().prop_map(|number| (number.to_string(), format!("{number}.0"))),
        any::<i64>().prop_map(|number| (number.to_string(), number.to_string())),
        ".{0,8}".prop_map(|text| {
            let text = Value::from(text).to_string();
            (text.clone(), format!(" {text}\n"))
        }),
    ];
    leaf.prop_recursive(4, 48, 4, |inner| {
        let fields = prop::collection::btree_map("[a-zé\"]{0,3}", inner.clone(), 0..4);
        let orders = fields.prop_flat_map(|fields: BTreeMap<String, (String, String)>| {
            let fields: Vec<_> = fields.into_iter().collect();
            (Just(fields.clone()).prop_shuffle(), Just(fields).prop_shuffle())
        });
        proptest::prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| {
                let (left, right): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                (format!("[{}]", left.join(",")), format!("[ {} ]", right.join(" , ")))
            }),
            orders.prop_map(|(left, right)| {
                (
                    object(left.into_iter().map(|(name, (left, _))| (name, left))),
                    object(right.into_iter().map(|(name, (_, right))| (name, right))),
                )
            }),
        ]
    })
}

fn object(fields: impl Iterator<Item = (String, String)>) -> String {
    let fields: Vec<_> =
        fields.map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
    format!("{{{}}}", fields.join(","))
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

proptest! {
    #[test]
    fn digest_does_not_depend_on_order_or_spelling((left, right) in texts_in_two_orders()) {
        let (left, right) = (parse(&left), parse(&right));
        assert_eq!(RequestDigest::of_json(&left), RequestDigest::of_json(&right));
    }

    #[test]
    fn canonical_text_is_json_of_the_same_value_and_canonical((text, _) in texts_in_two_orders()) {
        let canonical = canonical_json(&parse(&text));
        assert_eq!(parse(&canonical), parse(&text));
        assert_eq!(canonical_json(&parse(&canonical)), canonical);
    }

    #[test]
    fn different_texts_have_different_digests(left in ".{0,9}", right in ".{0,9}") {
        let digest = |text: &str| {
            let mut request = request();
            request.messages.push(Message::user(text));
            request.digest()
        };
        assert_eq!(digest(&left) == digest(&right), left == right);
    }
}

#[test]
fn canonical_text_is_what_it_was() {
    // A change here makes every recorded folder worthless: it needs a new format version.
    let value =
        parse(r#"{"b":[1.0,-0.0,0.5,1e300,18446744073709551615],"a":{"é":"\u0007\n"},"":null}"#);
    assert_eq!(
        canonical_json(&value),
        r#"{"":null,"a":{"é":"\u0007\n"},"b":[1,0,0.5,1e+300,18446744073709551615]}"#
    );
}

#[test]
fn digest_covers_every_field() {
    let base = request();
    let mut variants = vec![base.clone(); 6];
    variants[0].model.push('x');
    variants[1].messages.pop();
    variants[2].tools.clear();
    variants[3].temperature = None;
    variants[4].max_tokens = Some(101);
    variants[5].seed = None;
    let mut digests: Vec<_> = variants.iter().map(crate::model::ChatRequest::digest).collect();
    digests.push(base.digest());
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 7);
}

//! Attributes of paths (`.gitattributes`), and the ends of lines that they and the configuration ask for.

use git2::AttrCheckFlags;

use crate::place::Place;
use crate::sys;

/// What is needed of all attributes.
pub(crate) struct Attributes {
    /// Whether there is any file of attributes.
    any: bool,
    autocrlf: Option<String>,
    eol: Option<String>,
}

/// How `diff` treats a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Diffing {
    /// As its content says.
    Usual,
    Text,
    Binary,
    /// With the function names of a language.
    Driver(String),
}

impl Attributes {
    pub(crate) fn new(place: &Place) -> Self {
        let any = place.meta("info/attributes").exists()
            || place.setting("core.attributesfile").is_some()
            || place.tree_root.as_ref().is_some_and(|root| has_attributes(place, root));
        Self { any, autocrlf: place.setting("core.autocrlf"), eol: place.setting("core.eol") }
    }

    /// The value of an attribute: `true`, `false`, a text, or none.
    fn get(&self, place: &Place, path: &[u8], name: &str) -> Option<String> {
        if !self.any {
            return None;
        }
        let value = place
            .repo
            .get_attr_bytes(sys::path(path), name, AttrCheckFlags::FILE_THEN_INDEX)
            .ok()??;
        let text = match git2::AttrValue::from_bytes(Some(value)) {
            git2::AttrValue::True => "true".to_owned(),
            git2::AttrValue::False => "false".to_owned(),
            git2::AttrValue::Unspecified => return None,
            git2::AttrValue::String(text) => text.to_owned(),
            git2::AttrValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        Some(text)
    }

    /// Any attribute, for `check-attr`.
    pub(crate) fn value(&self, place: &Place, path: &[u8], name: &str) -> Option<String> {
        self.get(place, path, name)
    }

    pub(crate) fn diffing(&self, place: &Place, path: &[u8]) -> Diffing {
        match self.get(place, path, "diff").as_deref() {
            Some("true") => Diffing::Text,
            Some("false") => Diffing::Binary,
            Some(driver) => Diffing::Driver(driver.to_owned()),
            None => Diffing::Usual,
        }
    }

    /// Whether the path is text for sure, surely not, or to be guessed; and the end of lines asked for.
    fn text(&self, place: &Place, path: &[u8]) -> (Text, Option<String>) {
        if !self.any && self.autocrlf.is_none() {
            return (Text::No, None);
        }
        let eol = self.get(place, path, "eol");
        let text = match self
            .get(place, path, "text")
            .or_else(|| self.get(place, path, "crlf"))
            .as_deref()
        {
            Some("true") => Text::Yes,
            Some("false") => Text::No,
            Some("auto") => Text::Guess,
            Some("input") => return (Text::Yes, Some("lf".to_owned())),
            _ if eol.is_some() => Text::Yes,
            _ if self.autocrlf_on() => Text::Guess,
            _ => Text::No,
        };
        (text, eol)
    }

    fn autocrlf_on(&self) -> bool {
        self.autocrlf
            .as_deref()
            .is_some_and(|v| v == "input" || crate::place::truth(v) == Some(true))
    }

    /// Content as git stores it.
    pub(crate) fn stored(&self, place: &Place, path: &[u8], content: Vec<u8>) -> Vec<u8> {
        let (text, _) = self.text(place, path);
        if text == Text::No || !content.contains(&b'\r') {
            return content;
        }
        if text == Text::Guess && (is_binary_guess(&content) || stored_has_crlf(place, path)) {
            return content;
        }
        without_crlf(&content)
    }

    /// Content as it is in the working tree.
    pub(crate) fn checked_out<'a>(
        &self,
        place: &Place,
        path: &[u8],
        content: &'a [u8],
    ) -> std::borrow::Cow<'a, [u8]> {
        let (text, eol) = self.text(place, path);
        let crlf = match eol.as_deref() {
            Some("crlf") => true,
            Some(_) => false,
            None => match self.autocrlf.as_deref() {
                Some("input") => false,
                Some(v) if crate::place::truth(v) == Some(true) => true,
                _ => self.eol.as_deref() == Some("crlf"),
            },
        };
        let guess_is_no =
            text == Text::Guess && (is_binary_guess(content) || content.contains(&b'\r'));
        if text == Text::No || !crlf || guess_is_no {
            return content.into();
        }
        let mut out = Vec::with_capacity(content.len() + content.len() / 20);
        let mut last = 0;
        for &b in content {
            if b == b'\n' && last != b'\r' {
                out.push(b'\r');
            }
            out.push(b);
            last = b;
        }
        out.into()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Yes,
    No,
    Guess,
}

/// Whether a file of attributes is in the root or anywhere in the index.
fn has_attributes(place: &Place, root: &std::path::Path) -> bool {
    if root.join(".gitattributes").exists() {
        return true;
    }
    let name = b".gitattributes";
    std::fs::read(place.meta("index"))
        .is_ok_and(|index| index.windows(name.len()).any(|w| w == name))
}

fn without_crlf(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    for (i, &b) in content.iter().enumerate() {
        if b != b'\r' || content.get(i + 1) != Some(&b'\n') {
            out.push(b);
        }
    }
    out
}

/// Whether content looks binary to the conversion of line ends: a NUL or a lone CR.
fn is_binary_guess(content: &[u8]) -> bool {
    let lone_cr = |i: usize| content[i] == b'\r' && content.get(i + 1) != Some(&b'\n');
    content.contains(&0) || (0..content.len()).any(lone_cr)
}

/// Whether what is staged has CRLF already: then git leaves it so.
fn stored_has_crlf(place: &Place, path: &[u8]) -> bool {
    let entry = crate::stage::Stage::open(place).ok().and_then(|stage| stage.get(path));
    let content = entry.and_then(|entry| place.read(entry.id).ok()).unwrap_or_default();
    content.windows(2).any(|w| w == b"\r\n")
}

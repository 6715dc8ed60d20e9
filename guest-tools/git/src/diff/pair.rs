//! The two sides of a difference, and their contents.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use git2::{ObjectType, Oid};

use crate::attr::Diffing;
use crate::stage::MODULE;
use crate::work::Work;

/// How much of a file is searched for a NUL byte.
const LOOKED_AT: usize = 8000;

/// Where the content of a side is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Object,
    /// In the working tree.
    File,
    Given(Rc<Vec<u8>>),
}

/// One side: a path with a mode and content.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: u32,
    source: Source,
    id: OnceCell<Oid>,
    content: OnceCell<Rc<Vec<u8>>>,
    /// How often it is the source of a rename.
    pub(crate) used: Cell<i32>,
}

impl Side {
    pub(crate) fn object(path: &[u8], mode: u32, id: Oid) -> Rc<Self> {
        let side = Self::new(path, mode, Source::Object);
        Rc::new(Self { id: id.into(), ..side })
    }

    pub(crate) fn file(path: &[u8], mode: u32) -> Rc<Self> {
        Rc::new(Self::new(path, mode, Source::File))
    }

    /// A file whose id is known, since it was looked at.
    pub(crate) fn hashed_file(path: &[u8], mode: u32, id: Oid) -> Rc<Self> {
        Rc::new(Self { id: id.into(), ..Self::new(path, mode, Source::File) })
    }

    pub(crate) fn given(path: &[u8], mode: u32, content: Vec<u8>) -> Rc<Self> {
        Rc::new(Self::new(path, mode, Source::Given(Rc::new(content))))
    }

    fn new(path: &[u8], mode: u32, source: Source) -> Self {
        Self {
            path: path.to_vec(),
            mode,
            source,
            id: OnceCell::new(),
            content: OnceCell::new(),
            used: Cell::new(0),
        }
    }

    /// Whether the content is not yet an object: raw output shows zeros then.
    pub(crate) fn is_loose(&self) -> bool {
        !matches!(self.source, Source::Object)
    }

    pub(crate) fn id(&self, work: &Work<'_>) -> Oid {
        *self.id.get_or_init(|| match self.source {
            Source::File if self.mode == MODULE => {
                crate::work::module_head(&work.place.file(&self.path)).unwrap_or(Oid::ZERO_SHA1)
            }
            _ => Oid::hash_object(ObjectType::Blob, &self.content(work)).unwrap_or(Oid::ZERO_SHA1),
        })
    }

    /// The content as git stores it; of a module a line that names its commit.
    pub(crate) fn content(&self, work: &Work<'_>) -> Rc<Vec<u8>> {
        let load = || {
            if self.mode == MODULE {
                return Rc::new(format!("Subproject commit {}\n", self.id(work)).into_bytes());
            }
            match &self.source {
                Source::Given(content) => content.clone(),
                Source::Object => Rc::new(
                    self.id.get().and_then(|id| work.place.read(*id).ok()).unwrap_or_default(),
                ),
                Source::File => {
                    let stored =
                        work.find(&self.path).and_then(|meta| work.stored(&self.path, &meta).ok());
                    Rc::new(stored.unwrap_or_default())
                }
            }
        };
        self.content.get_or_init(load).clone()
    }

    /// The content of a side that was given with it.
    pub(crate) fn given_content(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Given(content) => Some(content),
            _ => None,
        }
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// The kind of file, without permissions.
    pub(crate) fn kind(&self) -> u32 {
        self.mode & 0o170_000
    }

    /// Whether the content is not shown as lines.
    pub(crate) fn is_binary(&self, work: &Work<'_>) -> bool {
        match work.attributes.diffing(work.place, &self.path) {
            Diffing::Text => false,
            Diffing::Binary => true,
            Diffing::Driver(_) | Diffing::Usual => looks_binary(&self.content(work)),
        }
    }
}

pub(crate) fn looks_binary(content: &[u8]) -> bool {
    content[..content.len().min(LOOKED_AT)].contains(&0)
}

/// A change of one path, or of two that were brought together.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) old: Option<Rc<Side>>,
    pub(crate) new: Option<Rc<Side>>,
    /// The likeness of a rename, or the unlikeness of a rewrite.
    pub(crate) score: u32,
    pub(crate) renamed: bool,
    pub(crate) copied: bool,
    /// A half of a file that was taken apart.
    pub(crate) broken: bool,
    pub(crate) unmerged: bool,
}

impl Pair {
    pub(crate) fn new(old: Option<Rc<Side>>, new: Option<Rc<Side>>) -> Self {
        Self { old, new, score: 0, renamed: false, copied: false, broken: false, unmerged: false }
    }

    pub(crate) fn unmerged(path: &[u8]) -> Self {
        let side = Side::given(path, 0, vec![]);
        Self { unmerged: true, ..Self::new(Some(side.clone()), Some(side)) }
    }

    /// The path that the pair is filed under: the new one.
    pub(crate) fn path(&self) -> &[u8] {
        let side = self.new.as_ref().or(self.old.as_ref());
        side.map_or(&[], |side| side.path.as_slice())
    }

    pub(crate) fn old_path(&self) -> &[u8] {
        let side = self.old.as_ref().or(self.new.as_ref());
        side.map_or(&[], |side| side.path.as_slice())
    }

    /// The letter of the change.
    pub(crate) fn status(&self) -> char {
        match (&self.old, &self.new) {
            _ if self.unmerged => 'U',
            (None, _) => 'A',
            (_, None) => 'D',
            _ if self.copied => 'C',
            _ if self.renamed => 'R',
            (Some(old), Some(new)) if old.kind() != new.kind() => 'T',
            _ => 'M',
        }
    }

    /// Likeness or unlikeness in percent.
    pub(crate) fn percent(&self) -> u32 {
        self.score * 100 / super::options::MAX_SCORE
    }

    pub(crate) fn same_content(&self, work: &Work<'_>) -> bool {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => old.id(work) == new.id(work),
            _ => false,
        }
    }
}

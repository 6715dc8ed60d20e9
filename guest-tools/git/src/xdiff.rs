//! libgit2's copy of xdiff, called directly: line differences and merges of three texts, exactly as git
//! makes them.

use std::ffi::{c_char, c_int, c_long, c_ulong, c_void};

/// Flags of `Params`.
pub(crate) const MINIMAL: u32 = 1;
pub(crate) const IGNORE_ALL_SPACE: u32 = 1 << 1;
pub(crate) const IGNORE_SPACE_CHANGE: u32 = 1 << 2;
pub(crate) const IGNORE_SPACE_AT_EOL: u32 = 1 << 3;
pub(crate) const IGNORE_CR_AT_EOL: u32 = 1 << 4;
pub(crate) const IGNORE_BLANK_LINES: u32 = 1 << 7;
pub(crate) const PATIENCE: u32 = 1 << 14;
pub(crate) const HISTOGRAM: u32 = 1 << 15;
pub(crate) const INDENT_HEURISTIC: u32 = 1 << 23;
/// Any of the flags by which lines are equal that are not the same bytes.
pub(crate) const SPACE: u32 =
    IGNORE_ALL_SPACE | IGNORE_SPACE_CHANGE | IGNORE_SPACE_AT_EOL | IGNORE_CR_AT_EOL;

const EMIT_FUNCTION_NAMES: c_ulong = 1;
const EMIT_FUNCTION_CONTEXT: c_ulong = 1 << 2;

#[repr(C)]
struct File {
    ptr: *const c_char,
    size: c_long,
}

#[repr(C)]
struct Buffer {
    ptr: *mut c_char,
    size: c_long,
}

#[repr(C)]
struct RawParams {
    flags: c_ulong,
    ignore_regex: *mut c_void,
    n_ignore_regex: usize,
    anchors: *mut c_void,
    n_anchors: usize,
}

type FindFunction =
    extern "C" fn(*const c_char, c_long, *mut c_char, c_long, *mut c_void) -> c_long;
type HunkFunction = extern "C" fn(c_long, c_long, c_long, c_long, *mut c_void) -> c_int;

#[repr(C)]
struct EmitConfig {
    context: c_long,
    inter_hunk: c_long,
    flags: c_ulong,
    find_function: Option<FindFunction>,
    find_function_data: *mut c_void,
    hunk: Option<HunkFunction>,
}

#[repr(C)]
struct Callbacks {
    data: *mut c_void,
    hunk: Option<
        extern "C" fn(*mut c_void, c_long, c_long, c_long, c_long, *const c_char, c_long) -> c_int,
    >,
    line: Option<extern "C" fn(*mut c_void, *mut Buffer, c_int) -> c_int>,
}

#[repr(C)]
struct MergeParams {
    params: RawParams,
    marker_size: c_int,
    level: c_int,
    favor: c_int,
    style: c_int,
    ancestor: *const c_char,
    ours: *const c_char,
    theirs: *const c_char,
}

unsafe extern "C" {
    fn xdl_diff(
        a: *mut File,
        b: *mut File,
        p: *const RawParams,
        c: *const EmitConfig,
        cb: *mut Callbacks,
    ) -> c_int;
    fn xdl_merge(
        base: *mut File,
        a: *mut File,
        b: *mut File,
        p: *const MergeParams,
        out: *mut Buffer,
    ) -> c_int;
}

/// How two texts are compared and shown.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    pub(crate) flags: u32,
    pub(crate) context: usize,
    pub(crate) inter_hunk: usize,
    pub(crate) whole_functions: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { flags: INDENT_HEURISTIC, context: 3, inter_hunk: 0, whole_functions: false }
    }
}

/// Where a hunk is, and the function that it is in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hunk {
    pub(crate) old: (usize, usize),
    pub(crate) new: (usize, usize),
    pub(crate) function: Vec<u8>,
}

/// One step of a difference.
pub(crate) enum Event<'a> {
    Hunk(Hunk),
    /// A sign (` `, `-`, `+`) and a line with its end, if it has one.
    Line(u8, &'a [u8], bool),
}

/// Finds the name of a function in a line.
pub(crate) type Namer<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

struct Sink<'a, 'b> {
    take: &'a mut dyn FnMut(Event<'_>),
    namer: Option<Namer<'b>>,
}

impl Params {
    fn raw(&self) -> RawParams {
        RawParams {
            flags: self.flags.into(),
            ignore_regex: std::ptr::null_mut(),
            n_ignore_regex: 0,
            anchors: std::ptr::null_mut(),
            n_anchors: 0,
        }
    }
}

fn file(text: &[u8]) -> File {
    File { ptr: text.as_ptr().cast(), size: text.len() as c_long }
}

/// Tells hunks and lines of the difference of two texts; `namer` replaces the usual function names.
pub(crate) fn diff(
    old: &[u8],
    new: &[u8],
    params: &Params,
    namer: Option<Namer<'_>>,
    take: &mut dyn FnMut(Event<'_>),
) {
    let cut =
        if params.context == 0 && !params.whole_functions { common_tail(old, new) } else { 0 };
    let (mut a, mut b) = (file(&old[..old.len() - cut]), file(&new[..new.len() - cut]));
    let mut sink = Sink { take, namer };
    let data: *mut c_void = (&raw mut sink).cast();
    let flags =
        EMIT_FUNCTION_NAMES | if params.whole_functions { EMIT_FUNCTION_CONTEXT } else { 0 };
    let config = EmitConfig {
        context: params.context as c_long,
        inter_hunk: params.inter_hunk as c_long,
        flags,
        find_function: namer.is_some().then_some(find_function as FindFunction),
        find_function_data: data,
        hunk: None,
    };
    let mut callbacks = Callbacks { data, hunk: Some(on_hunk), line: Some(on_line) };
    // SAFETY: both texts, the sink and all structures outlive the call, which keeps none of them.
    unsafe { xdl_diff(&mut a, &mut b, &params.raw(), &config, &mut callbacks) };
}

/// The changed ranges of lines of two texts: old start and length, new start and length, from 0.
pub(crate) fn ranges(old: &[u8], new: &[u8], flags: u32) -> Vec<[usize; 4]> {
    let mut found: Vec<[usize; 4]> = vec![];
    let cut = common_tail(old, new);
    let (mut a, mut b) = (file(&old[..old.len() - cut]), file(&new[..new.len() - cut]));
    let config = EmitConfig {
        context: 0,
        inter_hunk: 0,
        flags: 0,
        find_function: None,
        find_function_data: std::ptr::null_mut(),
        hunk: Some(on_range),
    };
    let mut callbacks = Callbacks { data: (&raw mut found).cast(), hunk: None, line: None };
    let params = Params { flags, ..Params::default() };
    // SAFETY: as above.
    unsafe { xdl_diff(&mut a, &mut b, &params.raw(), &config, &mut callbacks) };
    found
}

/// How three texts are merged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merge<'a> {
    pub(crate) ours: &'a str,
    pub(crate) theirs: &'a str,
    pub(crate) ancestor: &'a str,
    /// 0 none, 1 ours, 2 theirs, 3 both.
    pub(crate) favor: i32,
    /// 0 as `merge`, 1 `diff3`, 2 `zdiff3`.
    pub(crate) style: i32,
    pub(crate) flags: u32,
}

/// Merges; returns the text and the number of conflicts in it.
pub(crate) fn merge(base: &[u8], ours: &[u8], theirs: &[u8], how: &Merge<'_>) -> (Vec<u8>, usize) {
    let text = |s: &str| std::ffi::CString::new(s).unwrap_or_default();
    let labels = [text(how.ancestor), text(how.ours), text(how.theirs)];
    let ancestor = if how.ancestor.is_empty() { std::ptr::null() } else { labels[0].as_ptr() };
    let params = MergeParams {
        params: Params { flags: how.flags, ..Params::default() }.raw(),
        marker_size: 7,
        level: 2,
        favor: how.favor,
        style: how.style,
        ancestor,
        ours: labels[1].as_ptr(),
        theirs: labels[2].as_ptr(),
    };
    let mut result = Buffer { ptr: std::ptr::null_mut(), size: 0 };
    let (mut o, mut a, mut b) = (file(base), file(ours), file(theirs));
    // SAFETY: texts and labels outlive the call; the result is memory of the C allocator.
    unsafe {
        let conflicts = xdl_merge(&mut o, &mut a, &mut b, &params, &mut result);
        let merged = if result.ptr.is_null() {
            vec![]
        } else {
            std::slice::from_raw_parts(result.ptr.cast::<u8>(), result.size as usize).to_vec()
        };
        free(result.ptr.cast());
        (merged, conflicts.max(0) as usize)
    }
}

unsafe extern "C" {
    fn free(memory: *mut c_void);
}

/// How much at the end of both texts git leaves out: whole blocks, back to the start of a line.
fn common_tail(old: &[u8], new: &[u8]) -> usize {
    const BLOCK: usize = 1024;
    let smaller = old.len().min(new.len());
    let mut cut = 0;
    while cut + BLOCK <= smaller
        && old[old.len() - cut - BLOCK..old.len() - cut]
            == new[new.len() - cut - BLOCK..new.len() - cut]
    {
        cut += BLOCK;
    }
    let mut back = 0;
    while back < cut {
        let b = old[old.len() - cut + back];
        back += 1;
        if b == b'\n' {
            break;
        }
    }
    cut - back
}

extern "C" fn on_range(
    old: c_long,
    n_old: c_long,
    new: c_long,
    n_new: c_long,
    data: *mut c_void,
) -> c_int {
    // SAFETY: `data` is the list that `ranges` passed.
    let found = unsafe { &mut *data.cast::<Vec<[usize; 4]>>() };
    found.push([old as usize, n_old as usize, new as usize, n_new as usize]);
    0
}

extern "C" fn on_hunk(
    data: *mut c_void,
    old: c_long,
    n_old: c_long,
    new: c_long,
    n_new: c_long,
    function: *const c_char,
    len: c_long,
) -> c_int {
    // SAFETY: `data` is the sink that `diff` passed.
    let sink = unsafe { &mut *data.cast::<Sink<'_, '_>>() };
    let function = if len > 0 { bytes(function, len) } else { &[] };
    (sink.take)(Event::Hunk(Hunk {
        old: (old as usize, n_old as usize),
        new: (new as usize, n_new as usize),
        function: function.to_vec(),
    }));
    0
}

extern "C" fn on_line(data: *mut c_void, parts: *mut Buffer, n: c_int) -> c_int {
    // SAFETY: `data` is the sink that `diff` passed, and there are `n` parts.
    let (sink, parts) = unsafe {
        (&mut *data.cast::<Sink<'_, '_>>(), std::slice::from_raw_parts(parts, n as usize))
    };
    let sign = bytes(parts[0].ptr, 1)[0];
    (sink.take)(Event::Line(sign, bytes(parts[1].ptr, parts[1].size), parts.len() > 2));
    0
}

extern "C" fn find_function(
    line: *const c_char,
    len: c_long,
    out: *mut c_char,
    size: c_long,
    data: *mut c_void,
) -> c_long {
    // SAFETY: `data` is the sink that `diff` passed.
    let sink = unsafe { &*data.cast::<Sink<'_, '_>>() };
    let Some(name) = sink.namer.and_then(|namer| namer(bytes(line, len))) else { return -1 };
    let n = name.len().min(size as usize);
    // SAFETY: the buffer has `size` bytes.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), out.cast(), n) };
    n as c_long
}

fn bytes<'a>(ptr: *const c_char, len: c_long) -> &'a [u8] {
    if ptr.is_null() || len <= 0 {
        return &[];
    }
    // SAFETY: the caller passes what xdiff says is there, for the time of the callback.
    unsafe { std::slice::from_raw_parts(ptr.cast(), len as usize) }
}

//! The file that stands for a program in a tree.

/// Magic number and version of a WebAssembly module.
const HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Name of the custom section that holds the name of the module to start.
const SECTION: &str = "playpen-program";

/// Returns a valid, empty WebAssembly module that names `module` in a custom section.
///
/// # Panics
///
/// Panics if `module` is longer than 64 bytes.
pub(crate) fn stub(module: &str) -> Vec<u8> {
    assert!(module.len() <= 64, "module names are short");
    let mut body = vec![u8::try_from(SECTION.len()).expect("short")];
    body.extend(SECTION.bytes());
    body.extend(module.bytes());
    let mut out = HEADER.to_vec();
    // Section id 0 and a length below 128, which is its own LEB128.
    out.extend([0, u8::try_from(body.len()).expect("short")]);
    out.extend(body);
    out
}

/// Returns the module that a stub names.
pub(crate) fn stub_module(content: &[u8]) -> Option<&str> {
    let [0, len, body @ ..] = content.strip_prefix(&HEADER)? else { return None };
    let body = body.get(..usize::from(*len))?;
    let (name_len, body) = body.split_first()?;
    let name = body.get(..usize::from(*name_len))?;
    let module = &body[usize::from(*name_len)..];
    (name == SECTION.as_bytes()).then(|| std::str::from_utf8(module).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_names_its_module_and_is_valid_wasm() {
        let stub = stub("python");
        assert_eq!(stub_module(&stub), Some("python"));
        let engine = wasmtime::Engine::default();
        wasmtime::Module::validate(&engine, &stub).unwrap();
    }

    #[test]
    fn other_files_name_none() {
        for content in [&b""[..], b"#!/bin/sh", b"\0asm\x01\0\0\0", b"\0asm\x01\0\0\0\0\xff\x0f"] {
            assert_eq!(stub_module(content), None);
        }
    }
}
